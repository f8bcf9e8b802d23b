package api

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/time/rate"

	"learninglog/internal/caller"
	"learninglog/internal/problem"
	"learninglog/internal/quota"
)

// paceOf returns what limits the logs that a caller writes, or nil.
func (s *server) paceOf(ctx context.Context) *rate.Limiter {
	if own := s.identity(ctx).Pace; own != nil || s.LogsPerSecond == 0 {
		return own
	}
	return s.paces.Of(caller.Of(ctx))
}

// charge counts logs against a pace, all of them or none. It fails if there are too many.
func charge(pace *rate.Limiter, logs int) error {
	wait := quota.Take(pace, logs)
	if wait == 0 {
		return nil
	}
	return problem.QuotaExceeded.New(fmt.Sprintf("You may write %.0f logs a second, on average, and %d at once.",
		float64(pace.Limit()), pace.Burst())).Later(wait)
}

// charged charges each request to a page for one log. Without a handler, there is no page.
func (s *server) charged(handler http.Handler) http.Handler {
	if handler == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := charge(s.paceOf(r.Context()), 1); err != nil {
			s.Pages.Fail(w, r, err)
			return
		}
		handler.ServeHTTP(w, r)
	})
}
