package query

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// EverybodyPerDay returns the sums of all users for each day, each user by the dates of
// their own clock, from one date to another, both included. The user of the summary is
// nil.
//
// It reads the rows of all users for these days, so it is meant for occasional use.
// The caller must set a time limit.
//
// It fails with [rollup.ErrEmptyRange] if from is after to, with
// [rollup.ErrTooManyPeriods], and with [ErrSumTooLarge].
func (r *Reader) EverybodyPerDay(ctx context.Context, from, to rollup.Date) (Summary, error) {
	query := `
		SELECT ` + rollup.PeriodNumberSQL + `, ` + sumSQL("total_word_count") + `, ` + sumSQL("entry_count") + `
		FROM learning_log_aggregates
		WHERE granularity = 'day' AND period BETWEEN $1 AND $2
		GROUP BY period`
	request := SummaryRequest{Granularity: rollup.Day, From: &from, To: &to}
	starts, err := request.starts(to)
	if err != nil {
		return Summary{}, err
	}
	read := func(rows pgx.Rows) (orderedSums, error) { return request.collectSums(rows) }
	sums, err := retry.Read(ctx, r.pool, read, query, from.Time(), to.Time())
	if err != nil {
		return Summary{}, fmt.Errorf("reading what everybody learned: %w", err)
	}
	return newSummary(request, starts, sums)
}

// sumSQL returns an SQL expression for the sum of a column, which is null if it doesn't
// fit into a bigint.
func sumSQL(column string) string {
	return `CASE WHEN sum(` + column + `) BETWEEN -9223372036854775808 AND 9223372036854775807
	             THEN sum(` + column + `)::bigint END`
}

// ActiveUser is a user for whom a log was recorded recently.
type ActiveUser struct {
	UserID uuid.UUID
	// LastRecordedAt is when the user's last log was recorded, in UTC.
	LastRecordedAt time.Time
	// Name is what the user is called, or empty.
	Name string `db:"-"`
}

// ActiveUsers returns at most limit users for whom a log was recorded within 30 days
// before now, the latest first.
//
// It searches the last minute first, and then longer times until it has enough
// users. The caller must set a time limit.
func (r *Reader) ActiveUsers(ctx context.Context, now time.Time, limit int) (users []ActiveUser, err error) {
	const query = `
		SELECT user_id, max(recorded_at)
		FROM learning_log
		WHERE recorded_at > $1
		GROUP BY user_id
		ORDER BY max(recorded_at) DESC, user_id
		LIMIT $2`
	const day = 24 * time.Hour
	all := func(rows pgx.Rows) ([]ActiveUser, error) {
		return pgx.CollectRows(rows, pgx.RowToStructByPos[ActiveUser])
	}
	for _, back := range []time.Duration{time.Minute, time.Hour, day, 30 * day} {
		users, err = retry.Read(ctx, r.pool, all, query, now.Add(-back), limit)
		if err != nil {
			return nil, fmt.Errorf("reading who was active: %w", err)
		}
		if len(users) == limit {
			break
		}
	}
	ids := make([]uuid.UUID, len(users))
	for i, user := range users {
		ids[i] = user.UserID
	}
	names, err := r.displayNames(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range users {
		users[i].LastRecordedAt, users[i].Name = users[i].LastRecordedAt.UTC(), names[users[i].UserID]
	}
	return users, nil
}

// HasLogs reports whether there is any log, or a sealed day. The tables may be those of an
// older version.
func (r *Reader) HasLogs(ctx context.Context) (bool, error) {
	// Distributed tables can't be asked whether there EXISTS any.
	if has, err := r.finds(ctx, `SELECT 1 FROM learning_log LIMIT 1`); has || err != nil {
		return has, err
	}
	sealed, err := r.finds(ctx, `SELECT 1 WHERE to_regclass('learning_log_sealed_days') IS NOT NULL`)
	if !sealed || err != nil {
		return false, err
	}
	return r.finds(ctx, `SELECT 1 FROM learning_log_sealed_days LIMIT 1`)
}

// finds reports whether a query has a row, of a number.
func (r *Reader) finds(ctx context.Context, query string) (bool, error) {
	all := func(rows pgx.Rows) ([]int, error) { return pgx.CollectRows(rows, pgx.RowTo[int]) }
	found, err := retry.Read(ctx, r.pool, all, query)
	if err != nil {
		return false, fmt.Errorf("looking for logs: %w", err)
	}
	return len(found) > 0, nil
}
