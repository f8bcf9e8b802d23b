package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
)

// Log is a learning log as it is stored. Times are in UTC.
type Log struct {
	RequestID  uuid.UUID
	UserID     uuid.UUID
	WordCount  int
	Timestamp  time.Time
	RecordedAt time.Time
}

// Log returns the log with a request id, if it is that user's; otherwise it
// fails with [ErrNotFound].
func (r *Reader) Log(ctx context.Context, userID, requestID uuid.UUID) (Log, error) {
	const query = `
		SELECT request_id, user_id, word_count, "timestamp", recorded_at
		FROM learning_log
		WHERE user_id = $1 AND request_id = $2`
	one := func(rows pgx.Rows) (Log, error) { return pgx.CollectExactlyOneRow(rows, toLog) }
	log, err := retry.Read(ctx, r.pool, one, query, userID, requestID)
	if errors.Is(err, pgx.ErrNoRows) {
		return Log{}, ErrNotFound
	}
	if err != nil {
		return Log{}, fmt.Errorf("reading a log: %w", err)
	}
	return log, nil
}

func toLog(row pgx.CollectableRow) (Log, error) {
	log, err := pgx.RowToStructByPos[Log](row)
	log.Timestamp, log.RecordedAt = log.Timestamp.UTC(), log.RecordedAt.UTC()
	return log, err
}
