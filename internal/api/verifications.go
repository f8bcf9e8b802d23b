package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Verification is the result of the last verification of its kind.
type Verification struct {
	Verification string    `json:"verification" enum:"routine,everything" doc:"What was verified: a sample and whoever was active, by the service itself; or everything, by a verify or a rebuild."`
	RebuildID    int64     `json:"rebuild_id" doc:"The rebuild that it was, which is kept for a day."`
	BeganAt      time.Time `json:"began_at"`
	FinishedAt   time.Time `json:"finished_at"`
	Users        int64     `json:"users" doc:"The users whose rollups were compared with their logs."`
	Logs         int64     `json:"logs" doc:"The logs of those users."`
	RowsDrifted  int64     `json:"rows_drifted" doc:"Rows of the rollup that the logs didn't account for."`
	RowsRepaired int64     `json:"rows_repaired" doc:"Those of them that have been put right: then, or since, as a later rebuild or verification of everything has shown."`
}

// Verifications is what was verified last.
type Verifications struct {
	Verifications []Verification `json:"verifications" nullable:"false" doc:"The latest first; one of each kind that there has been."`
}

type verificationsOutput struct {
	Body Verifications
}

func documentListVerifications() huma.Operation {
	return huma.Operation{
		OperationID: "list-verifications",
		Summary:     "What was verified last, and was there drift?",
		Description: "Of the routine verifications, and of the verifications and rebuilds of everything, the last that came to its end.",
		Tags:        []string{tagRebuilds},
	}
}

func (s *server) listVerifications(ctx context.Context, _ *struct{}) (*verificationsOutput, error) {
	done, err := s.beginRead(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	verifications, err := s.Jobs.Verifications(ctx)
	if err != nil {
		return nil, err
	}
	output := &verificationsOutput{Body: Verifications{Verifications: make([]Verification, len(verifications))}}
	for i, last := range verifications {
		output.Body.Verifications[i] = Verification{
			Verification: string(last.Kind),
			RebuildID:    last.RebuildID,
			BeganAt:      last.BeganAt,
			FinishedAt:   last.FinishedAt,
			Users:        last.Users,
			Logs:         last.Logs,
			RowsDrifted:  last.RowsDrifted,
			RowsRepaired: last.RowsRepaired,
		}
	}
	return output, nil
}
