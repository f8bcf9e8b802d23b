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

// of returns a query with this answer.
func (a *answer[T]) of(collect func(pgx.Rows) (T, error), sql string, arguments ...any) retry.Query {
	return retry.Query{SQL: sql, Arguments: arguments, Collect: func(rows pgx.Rows) {
		if err := panics.Caught(func() { a.value, a.err = collect(rows) }); err != nil {
			a.err = err
		}
	}}
}

// Learner is what is known of a learner, apart from the logs.
type Learner struct {
	Clock    Clock
	Settings learning.Settings
	Days     Days
}

// Learner returns what [Reader.Clock], [Reader.Settings] and [Reader.Days] do, in one round
// trip.
func (r *Reader) Learner(ctx context.Context, userID uuid.UUID, now time.Time) (Learner, error) {
	var (
		offset   answer[pgtype.Int2]
		settings answer[learning.Settings]
		days     answer[Days]
	)
	_, err := retry.ReadTogether(ctx, r.at(userID), []retry.Query{
		offset.of(collectOffset, offsetSQL, userID),
		settings.of(collectSettings, settingsSQL, userID),
		days.of(collectDays, daysSQL, userID),
	})
	if err := cmp.Or(err, offset.err, settings.err, days.err); err != nil {
		return Learner{}, fmt.Errorf("reading a learner: %w", err)
	}
	return Learner{Clock: Clock{Now: now, Zone: r.zoneOf(offset.value)}, Settings: settings.value, Days: days.value}, nil
}

// HoursAndLogs returns what [Reader.Hours] and [Reader.Logs] do, in one round trip. The request
// must have From and To.
func (r *Reader) HoursAndLogs(ctx context.Context, request LogsRequest) (Hours, LogsPage, error) {
	if *request.To < *request.From {
		return Hours{}, LogsPage{}, rollup.ErrEmptyRange
	}
	var (
		hours answer[Hours]
		logs  answer[[]learning.Log]
	)
	_, err := retry.ReadTogether(ctx, r.at(request.UserID), []retry.Query{
		hours.of(collectHours, hoursSQL, hoursArguments(request.UserID, *request.From, *request.To)...),
		{SQL: `SELECT set_config('plan_cache_mode', 'force_custom_plan', true)`, Collect: func(pgx.Rows) {}}, // see Logs
		logs.of(learning.Collect, request.sql(), request.arguments()),
	})
	if err := cmp.Or(err, hours.err, logs.err); err != nil {
		return Hours{}, LogsPage{}, fmt.Errorf("reading hours and logs: %w", err)
	}
	return hours.value, r.logsPage(request, logs.value), nil
}
