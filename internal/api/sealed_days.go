package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/problem"
	"learninglog/rollup/rebuild"
)

// maxSealedDays is how many sealed days a request may have.
const maxSealedDays = 1000

// SealedDayOutcome is what became of a sealed day.
type SealedDayOutcome struct {
	Index     int             `json:"index" doc:"The day's place in the request, from 0."`
	Outcome   string          `json:"outcome" enum:"recorded,already_recorded,conflict,erased,invalid" doc:"conflict: the learner has another sealed day of this date, or logs, which may be those that it is made of. So nothing was done."`
	Retryable bool            `json:"retryable" doc:"Always false: what fails for another reason fails with the whole request, and nothing is done then."`
	Errors    []problem.Field `json:"errors,omitempty" nullable:"false" doc:"For invalid: what is wrong."`
}

func (s *server) documentRestoreSealedDays() huma.Operation {
	return huma.Operation{
		OperationID: "restore-sealed-days",
		Summary:     "Restore sealed days of an export",
		Description: fmt.Sprintf("Up to %d, as NDJSON, one a line. Each has an outcome line. "+
			"A day is counted only if nothing is there of the learner on that date, so sending it again changes nothing. "+
			"Send them before the logs of the same export.", maxSealedDays),
		Tags: []string{tagLearners},
		RequestBody: requestBody(true, "The days.", map[string]*huma.MediaType{
			mediaNDJSON: ndjson(schemaOf[SealedDay](s), map[string]*huma.Example{
				"days": example("A day", linesOf(map[string]any{"user_id": exampleUser, "day": "2025-01-14", "total_word_count": 120, "entry_count": 9})),
			}),
		}),
		Responses: map[string]*huma.Response{"200": {
			Description: "What became of each day",
			Content: map[string]*huma.MediaType{
				mediaNDJSON: ndjson(schemaOf[SealedDayOutcome](s), map[string]*huma.Example{
					"outcomes": example("It is recorded", linesOf(SealedDayOutcome{Outcome: "recorded"})),
				}),
			},
		}},
	}
}

func (s *server) restoreSealedDays(ctx context.Context, input *manyInput) (*huma.StreamResponse, error) {
	if _, err := input.mediaType(mediaNDJSON); err != nil {
		return nil, err
	}
	text, release, err := input.read(ctx, maxRebuildBytes, s.bodies)
	if err != nil {
		return nil, err
	}
	defer release()
	var outcomes []SealedDayOutcome
	var days []rebuild.SealedDay
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		outcome := SealedDayOutcome{Index: len(outcomes)}
		if outcome.Index == maxSealedDays {
			return nil, problem.Invalid.New("", problem.Field{Location: "body", Message: fmt.Sprintf("must have at most %d sealed days", maxSealedDays)})
		}
		if day, wrong := decodeSealedDay(logLocation(outcome.Index), line); wrong != nil {
			outcome.Outcome, outcome.Errors = "invalid", wrong
		} else {
			days = append(days, day)
		}
		outcomes = append(outcomes, outcome)
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	restored, err := s.Jobs.RestoreSealedDays(ctx, days)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		answer.SetHeader("Content-Type", mediaNDJSON)
		lines := json.NewEncoder(answer.BodyWriter())
		for _, outcome := range outcomes {
			if outcome.Outcome == "" {
				outcome.Outcome, restored = string(restored[0]), restored[1:]
			}
			_ = lines.Encode(outcome) // to a client that is gone, which can ask again
		}
	}}, nil
}

// decodeSealedDay reads a sealed day, as a log is read.
func decodeSealedDay(location string, text []byte) (day rebuild.SealedDay, wrong []problem.Field) {
	o, err := newObject(location, text)
	if err != nil {
		return day, []problem.Field{brokenLine(location, text, err)}
	}
	if id := o.takeUUID("user_id", true); id != nil {
		day.UserID = *id
	}
	if date := o.takeDate("day"); date != nil {
		day.Day = *date
	} else if o.fields != nil && o.take("day", false) == nil {
		o.wrong("day", nil, "is required")
	}
	day.TotalWordCount = int64(o.takeNumber("total_word_count", 0, math.MaxInt, 0))
	day.EntryCount = int64(o.takeNumber("entry_count", 1, rebuild.MaxSealedEntries, 0))
	if day.EntryCount == 0 && o.problems == nil {
		o.wrong("entry_count", nil, "is required")
	}
	if err := day.Check(); err != nil && o.problems == nil {
		o.wrong("total_word_count", nil, err.Error())
	}
	return day, o.finish("user_id", "day", "total_word_count", "entry_count")
}
