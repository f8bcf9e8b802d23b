package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"learninglog/query"
)

// Activity is what a user learned in a year, by day.
type Activity struct {
	UserID string `json:"user_id" format:"uuid"`
	Year   int    `json:"year" example:"2026"`
	Sums
	ActiveDays int         `json:"active_days" doc:"On how many days there was a log."`
	BestDay    *ActiveDay  `json:"best_day" doc:"The day with the most words, the first of several; null if there was no log."`
	Days       []ActiveDay `json:"days" nullable:"false" doc:"The days with a log, in time order."`
}

// ActiveDay is what a user learned on a day.
type ActiveDay struct {
	Date string `json:"date" format:"date" example:"2026-11-22"`
	Sums
}

type activityInput struct {
	UserID      string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Who learned."`
	Year        int    `query:"year" minimum:"1" maximum:"9998" example:"2026" doc:"The year. Default: this one."`
	TimeZone    string `query:"time_zone" example:"Asia/Tokyo" doc:"Where the learner's clock is, which tells this year. Default: by the learner's latest log."`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an answer that you have: if it would be the same again, the answer is 304."`
}

func (s *server) documentGetActivity() huma.Operation {
	s.letBestDayBeNull()
	return huma.Operation{
		OperationID: "get-activity",
		Summary:     "What did a user learn in a year, by day?",
		Description: "What a calendar of the year shows.",
		Tags:        []string{tagSummaries},
		Responses:   representedResponses(s, "The year", exampleActivity()),
	}
}

// letBestDayBeNull says so in the document. huma can't say it of a reference.
func (s *server) letBestDayBeNull() {
	properties := s.api.OpenAPI().Components.Schemas.SchemaFromRef(schemaOf[Activity](s).Ref).Properties
	properties["best_day"] = &huma.Schema{
		AnyOf:       []*huma.Schema{{Ref: properties["best_day"].Ref}, {Type: "null"}},
		Description: properties["best_day"].Description,
	}
}

func (s *server) getActivity(ctx context.Context, input *activityInput) (*huma.StreamResponse, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	clock, err := s.clock(input.TimeZone)
	if err != nil {
		return nil, err
	}
	const daysOfAYear = 64 << 10 // bytes in memory, roughly
	done, err := s.beginRead(ctx, daysOfAYear)
	if err != nil {
		return nil, err
	}
	defer done()
	year := input.Year
	if year == 0 {
		if year, err = s.thisYear(ctx, userID, clock); err != nil {
			return nil, err
		}
	}
	summary, err := s.Reader.Summary(ctx, query.YearRequest(userID, year))
	if err != nil {
		return nil, err
	}
	body := Activity{
		UserID:     userID.String(),
		Year:       year,
		Sums:       fromSums(summary.Totals),
		ActiveDays: summary.Active(),
		Days:       make([]ActiveDay, len(summary.Periods)),
	}
	for i, day := range summary.Periods {
		body.Days[i] = fromDay(day)
	}
	if best, ok := summary.Best(); ok {
		body.BestDay = new(fromDay(best))
	}
	return inJSON(body).answer(input.IfNoneMatch), nil
}

func fromDay(day query.PeriodSummary) ActiveDay {
	return ActiveDay{Date: day.Period.String(), Sums: fromSums(day.Sums)}
}

// thisYear returns the year on the learner's clock.
func (s *server) thisYear(ctx context.Context, userID uuid.UUID, clock query.Clock) (year int, err error) {
	if clock.Zone == nil {
		if clock, err = s.Reader.Clock(ctx, userID, clock.Now); err != nil {
			return 0, err
		}
	}
	return clock.Now.In(clock.Zone).Year(), nil
}
