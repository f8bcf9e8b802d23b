package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/rollup/rebuild"
)

// NewRezone is the request for a re-zone. It documents what decodeRezone reads.
type NewRezone struct {
	_ struct{} `additionalProperties:"false"`

	TimeZone         string     `json:"time_zone" example:"Asia/Tokyo" doc:"Where the clocks of the learners in scope were, by its name in the IANA database."`
	UserID           *string    `json:"user_id,omitempty" format:"uuid" doc:"Only this user."`
	UserIDs          []string   `json:"user_ids,omitempty" format:"uuid" minItems:"1" maxItems:"10000" doc:"Only these users."`
	RecordedSince    *time.Time `json:"recorded_since,omitempty" doc:"Only users of whom a log was recorded, voided or re-zoned at this instant or later."`
	From             *string    `json:"from,omitempty" example:"2026-11-01" doc:"Only logs of this date of UTC or later, whatever zone they have. A date-time means the date that it shows."`
	To               *string    `json:"to,omitempty" example:"2026-11-30" doc:"Only logs of this date of UTC or earlier."`
	Workers          int        `json:"workers,omitempty" minimum:"1" maximum:"8" default:"1" doc:"On how many connections to work at the same time."`
	MaxLogsPerSecond *int       `json:"max_logs_per_second,omitempty" minimum:"0" default:"20000" doc:"How many logs to go through in a second, on average: at least 1000, or 0, which is as many as it can, for when nobody else needs the database."`
}

func (s *server) documentRequestRezone() huma.Operation {
	return huma.Operation{
		OperationID: "request-rezone",
		Summary:     "Ask for a re-zone",
		Description: "Gives logs the offsets of a time zone, and moves their sums to the dates that result, while everybody goes on writing. " +
			"Logs that were posted with time_zone or utc_offset stay as they are, so a wrong re-zone can be followed by a right one, which waits for it. " +
			"It is a job like a rebuild: watch or cancel it there.",
		Tags:          []string{tagRebuilds},
		DefaultStatus: http.StatusAccepted,
		RequestBody:   requestBody(true, "Which logs, and their zone.", examplesOf(schemaOf[NewRezone](s), map[string]any{"user_id": exampleUser, "time_zone": "Asia/Tokyo"})),
	}
}

func (s *server) requestRezone(ctx context.Context, input *newRebuildInput) (*newRebuildOutput, error) {
	return s.requestDecoded(ctx, input, func(text []byte) (rebuild.Args, error) { return decodeRezone(text, s.zones) })
}

// requestDecoded requests the job that a body in JSON asks for.
func (s *server) requestDecoded(
	ctx context.Context, input *newRebuildInput, decode func(text []byte) (rebuild.Args, error),
) (*newRebuildOutput, error) {
	text, release, err := input.read(ctx, maxRebuildBytes, s.bodies)
	if err != nil {
		return nil, err
	}
	defer release()
	if _, err := input.mediaType(mediaJSON); err != nil {
		return nil, err
	}
	args, err := decode(text)
	if err != nil {
		return nil, err
	}
	return s.requestJob(ctx, args)
}
