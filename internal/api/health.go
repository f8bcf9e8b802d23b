package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Health is the answer of a service that is well.
type Health struct {
	Status string `json:"status" enum:"ok,ready"`
}

// readyTimeout is less than those who ask have patience for.
const readyTimeout = 3 * time.Second

type healthOutput struct {
	Body Health
}

func (s *server) registerHealth() {
	register(s, huma.Operation{
		OperationID: "alive",
		Method:      http.MethodGet,
		Path:        "/healthz",
		Summary:     "Is the process alive?",
		Description: "Says nothing of the database: a process needn't be restarted because that is away.",
		Tags:        []string{tagOperations},
	}, nil, func(context.Context, *struct{}) (*healthOutput, error) {
		return &healthOutput{Body: Health{Status: "ok"}}, nil
	})

	register(s, huma.Operation{
		OperationID: "ready",
		Method:      http.MethodGet,
		Path:        "/readyz",
		Summary:     "Can it serve requests?",
		Description: "The database can be reached and is migrated.",
		Tags:        []string{tagOperations},
	}, []int{http.StatusServiceUnavailable}, s.ready)
}

func (s *server) ready(ctx context.Context, _ *struct{}) (*healthOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.Logger.WarnContext(ctx, "not ready", slog.Any("error", err), requestIDAttr(ctx))
		problem := unavailable.problem("The database can't be reached, or is not migrated.")
		problem.retryAfter = retryAfter
		return nil, problem
	}
	return &healthOutput{Body: Health{Status: "ready"}}, nil
}
