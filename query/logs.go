package query

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/retry"
	"learninglog/learning"
	"learninglog/rollup"
)

// Log returns the log of a user with a request id. If that user has no such log, it
// fails with [ErrNotFound].
func (r *Reader) Log(ctx context.Context, userID, requestID uuid.UUID) (learning.Log, error) {
	const query = `
		SELECT ` + learning.Columns + `
		FROM learning_log
		WHERE user_id = $1 AND request_id = $2`
	logs, err := retry.Read(ctx, r.pool, learning.Collect, query, userID, requestID)
	if err != nil {
		return learning.Log{}, fmt.Errorf("reading a log: %w", err)
	}
	if len(logs) == 0 {
		return learning.Log{}, ErrNotFound
	}
	return logs[0], nil
}

// MaxPage is the largest number of logs in a page.
const MaxPage = 1_000

// LogsRequest selects a page of a user's logs.
type LogsRequest struct {
	UserID uuid.UUID
	// From is the first instant of the range. Until is the first instant after the
	// range. Nil means no limit.
	From, Until *time.Time
	// After is the cursor of the previous page, or nil for the first page.
	After *Cursor
	// Limit is the largest number of logs to return, from 1 to [MaxPage]. Values
	// outside this range are replaced by the nearer end of it.
	Limit int
}

// LogsPage is a page of a user's logs, newest first.
type LogsPage struct {
	Logs []learning.Log
	// Next is the cursor of the next page, or nil if this is the last page.
	Next *Cursor
}

// Logs returns a page of a user's logs, newest first. Logs with the same timestamp
// are ordered by request id. Pages are consistent while logs are being recorded: no
// log is shown twice, and no log that existed when the first page was read is
// missing.
//
// It fails with [rollup.ErrEmptyRange] if Until is before From.
func (r *Reader) Logs(ctx context.Context, request LogsRequest) (LogsPage, error) {
	if request.From != nil && request.Until != nil && request.Until.Before(*request.From) {
		return LogsPage{}, rollup.ErrEmptyRange
	}
	limit := min(max(request.Limit, 1), MaxPage)
	const query = `
		SELECT ` + learning.Columns + `
		FROM learning_log
		WHERE user_id = $1
		  AND "timestamp" >= $2 AND "timestamp" < $3
		  AND "timestamp" <= $4 AND ("timestamp", request_id) < ($4, $5)
		ORDER BY "timestamp" DESC, request_id DESC
		LIMIT $6`
	after, afterID := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, uuid.Max
	if request.After != nil {
		after, afterID = finite(request.After.Timestamp), request.After.RequestID
	}
	from := pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	if request.From != nil {
		from = finite(*request.From)
	}
	until := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if request.Until != nil {
		until = finite(*request.Until)
	}

	// Reading one log more than requested shows whether there is a next page. The
	// query is planned each time, because a generic plan expects few logs, and would
	// sort all logs of a user who has many.
	logs, err := retry.Read(ctx, r.pool, learning.Collect, query, pgx.QueryExecModeCacheDescribe, request.UserID, from, until, after, afterID, limit+1)
	if err != nil {
		return LogsPage{}, fmt.Errorf("reading logs: %w", err)
	}
	page := LogsPage{Logs: logs}
	if len(logs) > limit {
		page.Logs = logs[:limit]
		last := page.Logs[limit-1]
		page.Next = &Cursor{Timestamp: last.Timestamp, RequestID: last.RequestID}
	}
	return page, nil
}

func finite(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: true}
}
