package api

import (
	"context"
	"log/slog"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/problem"
)

// Health is the answer of a healthy service.
type Health struct {
	Status string `json:"status" enum:"ok,ready"`
}

// readyTimeout is shorter than the timeouts of load balancers and orchestrators.
const readyTimeout = 3 * time.Second

type healthOutput struct {
	Body Health
}

func documentAlive() huma.Operation {
	return huma.Operation{
		OperationID: "alive",
		Summary:     "Is the process alive?",
		Description: "Says nothing of the database: a process needn't be restarted because that is away.",
		Tags:        []string{tagOperations},
	}
}

func (*server) alive(context.Context, *struct{}) (*healthOutput, error) {
	return &healthOutput{Body: Health{Status: "ok"}}, nil
}

func documentReady() huma.Operation {
	return huma.Operation{
		OperationID: "ready",
		Summary:     "Can it serve requests?",
		Description: "The database can be reached and is migrated.",
		Tags:        []string{tagOperations},
	}
}

func (s *server) ready(ctx context.Context, _ *struct{}) (*healthOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		s.Logger.WarnContext(ctx, "not ready", slog.Any("error", err), problem.LogID(ctx))
		return nil, problem.Unavailable.New("The database can't be reached, or is not migrated.").Later(problem.RetryAfter)
	}
	return &healthOutput{Body: Health{Status: "ready"}}, nil
}
