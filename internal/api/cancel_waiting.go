package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

// CancelledRebuilds says how many rebuilds and re-zones were cancelled.
type CancelledRebuilds struct {
	Cancelled int `json:"cancelled" doc:"How many waited, and are cancelled."`
}

type cancelWaitingOutput struct {
	Body CancelledRebuilds
}

func documentCancelWaiting() huma.Operation {
	return huma.Operation{
		OperationID: "cancel-waiting-rebuilds",
		Summary:     "Cancel all rebuilds and re-zones that wait",
		Description: "Those that run go on, and so do routine verifications. What one has repaired before it was interrupted stays repaired.",
		Tags:        []string{tagRebuilds},
	}
}

func (s *server) cancelWaiting(ctx context.Context, _ *struct{}) (*cancelWaitingOutput, error) {
	ctx, cancel := s.finish(ctx)
	defer cancel()
	cancelled, err := s.Jobs.CancelWaiting(ctx)
	if err != nil {
		return nil, err
	}
	return &cancelWaitingOutput{Body: CancelledRebuilds{Cancelled: cancelled}}, nil
}
