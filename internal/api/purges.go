package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// NewPurge is the request for a purge. It documents what decodePurge reads.
type NewPurge struct {
	_ struct{} `additionalProperties:"false"`

	OlderThanDays    int  `json:"older_than_days" minimum:"1" maximum:"36500" example:"400" doc:"How old logs must be, by their timestamps, in days of 24 hours. Older ones are refused from now on, and those that are a day older are deleted."`
	DryRun           bool `json:"dry_run,omitempty" doc:"Count the logs that would be deleted, and change nothing."`
	Workers          int  `json:"workers,omitempty" minimum:"1" maximum:"8" default:"1" doc:"On how many connections to work at the same time."`
	MaxLogsPerSecond *int `json:"max_logs_per_second,omitempty" minimum:"0" default:"20000" doc:"How many logs to go through in a second, on average: at least 1000, or 0, which is as many as it can, for when nobody else needs the database."`
}

func (s *server) documentRequestPurge() huma.Operation {
	return huma.Operation{
		OperationID: "request-purge",
		Summary:     "Ask for a purge",
		Description: "Deletes old logs, and keeps what they add up to for each learner and date: so no summary changes, and rebuilds stay exact. " +
			"This can't be undone. Logs that are as old are refused from then on (too_old), because it couldn't be told whether they had been recorded. " +
			"Learners whose rollups have drifted are left as they are: rows_drifted and examples tell of them. " +
			"It is a job like a rebuild: watch or cancel it there.",
		Tags:          []string{tagRebuilds},
		DefaultStatus: http.StatusAccepted,
		RequestBody:   requestBody(true, "Which logs.", examplesOf(schemaOf[NewPurge](s), map[string]any{"older_than_days": 400, "dry_run": true})),
	}
}

func (s *server) requestPurge(ctx context.Context, input *newRebuildInput) (*newRebuildOutput, error) {
	return s.requestDecoded(ctx, input, decodePurge)
}
