package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/query"
)

// Streaks are the streaks of a user.
type Streaks struct {
	UserID     string  `json:"user_id" format:"uuid"`
	Today      string  `json:"today" format:"date" example:"2026-11-22" doc:"The date on the learner's clock."`
	Current    Streak  `json:"current" doc:"The streak that reaches today; or yesterday, as today isn't over; or an earlier day, by allow_gaps."`
	Longest    Streak  `json:"longest" doc:"The longest that there has been, the latest of several."`
	AllowGaps  int     `json:"allow_gaps" doc:"How many days in a row without a log don't end a streak: as asked for, or as the learner has set."`
	ActiveDays int     `json:"active_days" doc:"On how many days there was a log, until today."`
	LastDay    *string `json:"last_day" format:"date" example:"2026-11-22" doc:"The last of them; null is never."`
}

// Streak is a run of consecutive days that each have a log.
type Streak struct {
	Days int     `json:"days" doc:"How many have a log; 0 is none."`
	From *string `json:"from" format:"date" example:"2026-11-01" doc:"The first day, or null."`
	To   *string `json:"to" format:"date" example:"2026-11-22" doc:"The last day, or null."`
}

type streakInput struct {
	UserID      string      `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Who learned."`
	AllowGaps   optionalInt `query:"allow_gaps" minimum:"0" maximum:"7" doc:"How many days in a row without a log don't end a streak. They don't count in it. Default: the freeze days that the learner has set, or 0."`
	TimeZone    string      `query:"time_zone" example:"Asia/Tokyo" doc:"Where the learner's clock is, which tells today. Default: by the learner's latest log."`
	IfNoneMatch string      `header:"If-None-Match" doc:"The ETag of an answer that you have: if it would be the same again, the answer is 304."`
}

func (s *server) documentGetStreak() huma.Operation {
	return huma.Operation{
		OperationID: "get-streak",
		Summary:     "On how many days in a row has a user learned?",
		Description: "Days after today, which a client's clock may have named, don't count yet.",
		Tags:        []string{tagSummaries},
		Responses:   representedResponses(s, "The streaks", exampleStreaks()),
	}
}

func (s *server) getStreak(ctx context.Context, input *streakInput) (*huma.StreamResponse, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	clock, err := s.clock(input.TimeZone)
	if err != nil {
		return nil, err
	}
	done, err := s.beginRead(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	streaks, err := s.Reader.Streaks(ctx, userID, clock, input.AllowGaps.pointer())
	if err != nil {
		return nil, err
	}
	body := Streaks{
		UserID:     userID.String(),
		Today:      streaks.Today.String(),
		Current:    fromStreak(streaks.Current),
		Longest:    fromStreak(streaks.Longest),
		AllowGaps:  streaks.AllowedGap,
		ActiveDays: streaks.ActiveDays,
	}
	if streaks.LastDay != nil {
		body.LastDay = new(streaks.LastDay.String())
	}
	return inJSON(body).answer(input.IfNoneMatch), nil
}

func fromStreak(streak query.Streak) Streak {
	if streak.Days == 0 {
		return Streak{}
	}
	return Streak{
		Days: streak.Days,
		From: new(streak.First.String()),
		To:   new(streak.Last.String()),
	}
}
