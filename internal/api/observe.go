package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"learninglog/internal/problem"
)

// RequestObserver is told of every request. Its methods may be called at the same
// time, and each request waits for them.
type RequestObserver interface {
	// Begun is called when a request has arrived.
	Begun()
	// Ended is called when it was answered. The route is the pattern of its path,
	// such as /v1/rebuilds/{id}, never the path itself: whatever clients send, there
	// are only so many routes and methods. The status is 0 if the connection was
	// broken off, be it by the client, before it could be answered.
	Ended(route, method string, status int, took time.Duration)
}

// observe times requests and keeps what they were answered, for the metrics and
// the access log.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		status := 0 // if it panics
		s.Requests.Begun()
		defer func() {
			took := time.Since(started)
			s.Requests.Ended(routeOf(r), methodOf(r), status, took)
			s.logAccess(r, status, answer.BytesWritten(), took)
		}()
		next.ServeHTTP(answer, r)
		if answer.Status() == 0 {
			answer.WriteHeader(http.StatusOK) // as net/http would
		}
		status = statusOf(r, answer)
	})
}

// statusOf returns the status of an answer. Where it would be a failure of ours,
// but the client is gone, and what it asked for was broken off therefore, it is 0.
func statusOf(r *http.Request, answer middleware.WrapResponseWriter) int {
	if r.Context().Err() != nil && answer.Status() >= http.StatusInternalServerError {
		return 0
	}
	return answer.Status()
}

// What stands for all the routes and methods that there aren't.
const (
	unmatched   = "unmatched"
	otherMethod = "other"
)

// routeOf returns the pattern that the router found for r, which it has only once
// r is answered.
func routeOf(r *http.Request) string {
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" {
		return pattern
	}
	return unmatched
}

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return r.Method
	default:
		return otherMethod
	}
}

func (s *server) logAccess(r *http.Request, status, bytes int, took time.Duration) {
	level := slog.LevelDebug // there may be tens of thousands a second
	if status == http.StatusInternalServerError {
		level = slog.LevelInfo // a mistake of ours, which is logged too, but not with what was asked for
	}
	if !s.Logger.Enabled(r.Context(), level) {
		return
	}
	s.Logger.LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path),
		slog.Int("status", status),
		slog.Int("bytes", bytes),
		slog.Duration("took", took),
		slog.String("remote", r.RemoteAddr),
		problem.LogID(r.Context()))
}
