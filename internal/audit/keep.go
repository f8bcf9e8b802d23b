package audit

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

const (
	// deleteEvery is how often old records are looked for.
	deleteEvery = time.Hour
	// maxDeleted is how many are deleted in a statement, so that none takes long.
	maxDeleted = 1000
)

// Keep deletes records that are older than a time, now and every hour, until ctx ends.
// Several processes may do so.
func (t *Trail) Keep(ctx context.Context, keep time.Duration) {
	ticks := time.NewTicker(deleteEvery)
	defer ticks.Stop()
	for {
		deleted, err := t.DeleteOlder(ctx, keep)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.logger.WarnContext(ctx, "old records of what was done can't be deleted", slog.Any("error", err))
		case deleted > 0:
			t.logger.InfoContext(ctx, "deleted old records of what was done", slog.Int64("records", deleted), slog.Duration("kept", keep))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// DeleteOlder deletes records that are older than a time, in chunks, and returns how many.
// Those that another process is deleting are left to that.
func (t *Trail) DeleteOlder(ctx context.Context, than time.Duration) (deleted int64, err error) {
	const statement = `
		DELETE FROM learninglog_audit WHERE record_id IN (
		    SELECT record_id FROM learninglog_audit
		    WHERE at < now() - $1::interval
		    ORDER BY at
		    LIMIT $2
		    FOR UPDATE SKIP LOCKED
		)`
	for {
		result, err := t.database.Exec(ctx, statement, than, maxDeleted)
		if err != nil {
			return deleted, fmt.Errorf("deleting records: %w", err)
		}
		deleted += result.RowsAffected()
		if result.RowsAffected() < maxDeleted {
			return deleted, nil
		}
	}
}
