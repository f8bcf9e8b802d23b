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
	logs, err := retry.Read(ctx, r.at(userID), learning.Collect, query, userID, requestID)
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
	// From and To limit the dates of the logs, by the learner's clock at the time. Both
	// are included. Nil means no limit.
	From, To *rollup.Date
	// WithVoided also lists logs that were voided.
	WithVoided bool
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
	// PurgedBefore is the instant before which logs were purged, if some of them could be in
	// the list, or the zero time.
	PurgedBefore time.Time
}

// Logs returns a page of a user's logs, newest first. Logs with the same timestamp
// are ordered by request id. Pages are consistent while logs are being recorded: no
// log is shown twice, and no log that existed when the first page was read is
// missing.
//
// It fails with [rollup.ErrEmptyRange] if To is before From.
func (r *Reader) Logs(ctx context.Context, request LogsRequest) (LogsPage, error) {
	if request.From != nil && request.To != nil && *request.To < *request.From {
		return LogsPage{}, rollup.ErrEmptyRange
	}
	// The query is planned each time, because a generic plan expects few logs, and would
	// sort all logs of a user who has many.
	logs, err := retry.Read(ctx, r.at(request.UserID), learning.Collect, request.sql(), pgx.QueryExecModeCacheDescribe, request.arguments())
	if err != nil {
		return LogsPage{}, fmt.Errorf("reading logs: %w", err)
	}
	return r.logsPage(request, logs), nil
}

// logsPage returns the page whose logs, and perhaps one more, were found.
func (r *Reader) logsPage(request LogsRequest, found []learning.Log) LogsPage {
	page := LogsPage{Logs: found}
	if purged := r.PurgedBefore(); request.From == nil || request.From.FirstInstant().Before(purged) {
		page.PurgedBefore = purged
	}
	if limit := request.limit(); len(found) > limit {
		page.Logs = found[:limit]
		last := page.Logs[limit-1]
		page.Next = &Cursor{Timestamp: last.Timestamp, RequestID: last.RequestID}
	}
	return page
}

func (r LogsRequest) limit() int { return min(max(r.Limit, 1), MaxPage) }

// sql returns the query of the page. Logs that count and logs that were voided are in
// different indexes, and each index has its logs in order.
func (r LogsRequest) sql() string {
	logs := func(which string) string {
		return `
		SELECT ` + learning.Columns + `
		FROM learning_log
		WHERE user_id = @user AND voided_at ` + which + `
		  AND "timestamp" >= @lower AND "timestamp" < @upper
		  AND ` + rollup.DateSQL + ` BETWEEN @from AND @to
		  AND "timestamp" <= @after AND ("timestamp", request_id) < (@after, @after_id)`
	}
	const order = `
		ORDER BY "timestamp" DESC, request_id DESC
		LIMIT @limit`
	if !r.WithVoided {
		return logs("IS NULL") + order
	}
	return `(` + logs("IS NULL") + order + `) UNION ALL (` + logs("IS NOT NULL") + order + `)` + order
}

// arguments returns those of the query. The dates choose the logs; the instants only find them
// in the index. Reading one log more than requested shows whether there is a next page.
func (r LogsRequest) arguments() pgx.NamedArgs {
	arguments := pgx.NamedArgs{
		"user":     r.UserID,
		"from":     pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true},
		"to":       pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true},
		"lower":    pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true},
		"upper":    pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true},
		"after":    pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true},
		"after_id": uuid.Max,
		"limit":    r.limit() + 1,
	}
	if r.From != nil {
		arguments["from"], arguments["lower"] = r.From.Time(), r.From.FirstInstant()
	}
	if r.To != nil {
		arguments["to"], arguments["upper"] = r.To.Time(), r.To.EndInstant()
	}
	if r.After != nil {
		arguments["after"], arguments["after_id"] = r.After.Timestamp, r.After.RequestID
	}
	return arguments
}
