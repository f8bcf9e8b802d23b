package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// RequestObserver is notified of every request. Its methods may be called
// concurrently, and requests wait for them.
type RequestObserver interface {
	// Begun is called when a request has arrived.
	Begun()
	// Ended is called when the request has been answered. route is the pattern of
	// the path, such as /v1/rebuilds/{id}, never the path itself, so there is only a
	// fixed number of routes and methods, whatever clients send. status is 0 if the
	// connection was aborted, by either side, before the request could be answered.
	Ended(route, method string, status int, took time.Duration)
}

// observe measures requests and remembers their statuses, for the metrics and the
// access log.
func (s *server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		answer := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		status := 0 // stays 0 after a panic
		s.Requests.Begun()
		defer func() {
			took := time.Since(started)
			s.Requests.Ended(routeOf(r), methodOf(r), status, took)
			s.logAccess(r, status, answer.BytesWritten(), took)
		}()
		next.ServeHTTP(answer, r)
		if answer.Status() == 0 {
			answer.WriteHeader(http.StatusOK) // as net/http would do
		}
		status = statusOf(r, answer)
		if status >= http.StatusBadRequest && !s.isExpected(r.Method, routeOf(r), status) {
			s.Logger.ErrorContext(r.Context(), "a route answered with a problem that its line in the table of routes doesn't have",
				slog.String("method", r.Method), slog.String("route", routeOf(r)), slog.Int("status", status), problem.LogID(r.Context()))
		}
	})
}

// statusOf returns the status of a response. It returns 0 for an error of the
// service if the client is gone, because the request probably failed for that
// reason.
func statusOf(r *http.Request, answer middleware.WrapResponseWriter) int {
	if r.Context().Err() != nil && answer.Status() >= http.StatusInternalServerError {
		return 0
	}
	return answer.Status()
}

// Labels for all unknown routes and methods.
const (
	unmatched   = "unmatched"
	otherMethod = "other"
)

// routeOf returns the pattern of the route of r. The router knows it only after r
// has been answered.
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
	level := slog.LevelDebug // there may be tens of thousands per second
	if status == http.StatusInternalServerError {
		level = slog.LevelInfo // a bug; its own log message doesn't have the request
	}
	if !s.Logger.Enabled(r.Context(), level) {
		return
	}
	s.Logger.LogAttrs(r.Context(), level, "request",
		slog.String("method", r.Method),
		slog.String("path", access.Unsecret(r.URL.Path)),
		slog.Int("status", status),
		slog.Int("bytes", bytes),
		slog.Duration("took", took),
		slog.String("remote", r.RemoteAddr),
		problem.LogID(r.Context()))
}
