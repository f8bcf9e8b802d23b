package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// httpServer returns a server with a timeout for every phase of a request, so that
// no slow or malicious client can hold a connection for ever.
func (s *service) httpServer() *http.Server {
	const (
		readHeader = 5 * time.Second
		read       = 30 * time.Second
		write      = 30 * time.Second // in addition to the timeout of the request itself
		idle       = 2 * time.Minute
		maxHeader  = 64 << 10
	)
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeader,
		ReadTimeout:       read,
		WriteTimeout:      read + s.flags.RequestTimeout + write,
		IdleTimeout:       idle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another process: stop that one, or choose another with --addr", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; choose another address with --addr", address, err)
	}
	return listener, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
