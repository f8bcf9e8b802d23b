package query

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/panics"
	"learninglog/internal/retry"
	"learninglog/learning"
	"learninglog/rollup"
)

// answer is what was found by a query that is read together with others.
type answer[T any] struct {
	value T
	err   error
}

// query returns a query with this answer.
func (a *answer[T]) query(collect func(pgx.Rows) (T, error), sql string, arguments ...any) retry.Query {
	return retry.Query{SQL: sql, Arguments: arguments, Collect: func(rows pgx.Rows) {
		a.err = panics.Returned(func() (err error) {
			a.value, err = collect(rows)
			return err
		})
	}}
}

// Learner is what is known of a learner, apart from the logs.
type Learner struct {
	Clock    Clock
	Settings learning.Settings
	Days     Days
}

// Learner returns what [Reader.Clock] and [Reader.Settings] do, and all days on which the user
// has logs, in one round trip.
//
// It fails with [ErrSumTooLarge].
func (r *Reader) Learner(ctx context.Context, userID uuid.UUID, now time.Time) (Learner, error) {
	var (
		offset   answer[pgtype.Int2]
		settings answer[learning.Settings]
		days     answer[Days]
	)
	_, err := retry.ReadTogether(ctx, r.at(userID), []retry.Query{
		offset.query(collectOffset, offsetSQL, userID),
		settings.query(collectSettings, settingsSQL, userID),
		days.query(collectDays, daysSQL, userID),
	})
	if err := cmp.Or(err, offset.err, settings.err, days.err); err != nil {
		return Learner{}, fmt.Errorf("reading a learner: %w", err)
	}
	return Learner{Clock: Clock{Now: now, Zone: r.zoneOf(offset.value)}, Settings: settings.value, Days: days.value}, nil
}

// HoursAndLogs returns the hours at which a user learned from one date to another, both
// included, and what [Reader.Logs] does, in one round trip. The request must have From and To.
// The cost depends on the number of logs, and is bounded: the hours are those of the latest
// [MaxHoursLogs] of the range.
//
// It fails with [rollup.ErrEmptyRange] if To is before From.
func (r *Reader) HoursAndLogs(ctx context.Context, request LogsRequest) (Hours, LogsPage, error) {
	if *request.To < *request.From {
		return Hours{}, LogsPage{}, rollup.ErrEmptyRange
	}
	var (
		hours answer[Hours]
		logs  answer[[]learning.Log]
	)
	_, err := retry.ReadTogether(ctx, r.at(request.UserID), []retry.Query{
		hours.query(collectHours, hoursSQL, hoursArguments(request.UserID, *request.From, *request.To)...),
		{SQL: `SELECT set_config('plan_cache_mode', 'force_custom_plan', true)`, Collect: func(pgx.Rows) {}}, // see Logs
		logs.query(learning.Collect, request.sql(), request.arguments()),
	})
	if err := cmp.Or(err, hours.err, logs.err); err != nil {
		return Hours{}, LogsPage{}, fmt.Errorf("reading hours and logs: %w", err)
	}
	return hours.value, r.logsPage(request, logs.value), nil
}
