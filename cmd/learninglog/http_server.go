package main

import (
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"syscall"
	"time"

	"learninglog/internal/api"
	"learninglog/internal/connections"
	"learninglog/internal/metrics"
)

// httpServer returns a server that is to serve the listener that it returns too. Every
// phase of a request has a timeout, so that no slow or malicious client can hold a
// connection for ever. Large bodies and answers have theirs by their progress.
func (s *service) httpServer() (*http.Server, *connections.Limiter) {
	const (
		readHeader = 5 * time.Second
		read       = 30 * time.Second
		idle       = 2 * time.Minute
		maxHeader  = 16 << 10
	)
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeader,
		ReadTimeout:       read,
		IdleTimeout:       idle,
		MaxHeaderBytes:    maxHeader,
		// Otherwise net/http answers OPTIONS * by itself.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	limiter := connections.Limit(server, s.listener, connectionLimits(s.flags.MaxConnections))
	metrics.RegisterConnections(s.metrics, limiter)
	return server, limiter
}

// connectionLimits leaves room for other files, and for health checks.
func connectionLimits(most int) connections.Limits {
	const reserved, otherFiles, least = 16, 64, 16
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Cur < math.MaxInt32 {
		most = min(most, max(least, int(files.Cur)-reserved-otherFiles))
	}
	return connections.Limits{Most: most, Reserved: reserved, Always: []string{api.HealthPath, api.ReadyPath}}
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
