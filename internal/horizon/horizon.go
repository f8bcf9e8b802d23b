// Package horizon knows the instant before which logs are refused, and the one before which
// they were purged.
//
// [Follow] keeps a process up to date about it; [Raise] raises it, for all processes.
package horizon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Margin is by how much logs must be older than those that are refused before they are
// purged. So a log that was accepted just before, and is recorded a moment later, isn't
// purged yet when its client sends it again.
const Margin = 24 * time.Hour

// Step is by how much the horizon is raised at least as time goes on.
const Step = 10 * time.Minute

// Horizon is what is refused and what was purged, by the timestamps of logs, in UTC.
type Horizon struct {
	// RefusedBefore is the instant before which logs are not recorded. The zero time means
	// that none is refused.
	RefusedBefore time.Time
	// PurgedBefore is the instant before which logs were purged, or are about to be. The
	// zero time means that none was.
	PurgedBefore time.Time
	// Settled says that all processes have known RefusedBefore for a while.
	Settled bool
}

// Database is the part of a connection that is used.
type Database interface {
	QueryRow(ctx context.Context, sql string, arguments ...any) pgx.Row
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

// Read reads the horizon. It is settled if it was last raised so long ago.
func Read(ctx context.Context, db Database, settle time.Duration) (known Horizon, err error) {
	const query = `
		SELECT refused_before,
		       coalesce(purged_before, '0001-01-01 00:00:00+00'),
		       raised_at <= now() - $1::interval
		FROM learning_log_horizon`
	err = db.QueryRow(ctx, query, settle).Scan(&known.RefusedBefore, &known.PurgedBefore, &known.Settled)
	if errors.Is(err, pgx.ErrNoRows) {
		return Horizon{}, nil
	}
	if err != nil {
		return Horizon{}, fmt.Errorf("reading before when logs are refused: %w", err)
	}
	known.RefusedBefore, known.PurgedBefore = known.RefusedBefore.UTC(), known.PurgedBefore.UTC()
	return known, nil
}

// Raise makes all processes refuse logs that are older than keep, as soon as they have
// read it. It never lowers the horizon, and leaves one that is less than step behind: it
// doesn't even lock that.
func Raise(ctx context.Context, db Database, keep, step time.Duration) error {
	const statement = `
		INSERT INTO learning_log_horizon AS h (refused_before, raised_at)
		SELECT now() - $1::interval, now()
		WHERE NOT EXISTS (SELECT FROM learning_log_horizon WHERE refused_before + $2::interval >= now() - $1::interval)
		ON CONFLICT (only_row) DO UPDATE SET refused_before = excluded.refused_before, raised_at = excluded.raised_at
		WHERE h.refused_before + $2::interval < excluded.refused_before`
	if _, err := db.Exec(ctx, statement, keep, step); err != nil {
		return fmt.Errorf("raising before when logs are refused: %w", err)
	}
	return nil
}

// NotePurge notes that logs before an instant are purged from now on. They must be refused.
func NotePurge(ctx context.Context, db Database, before time.Time) error {
	const statement = `UPDATE learning_log_horizon SET purged_before = greatest(purged_before, $1)`
	if _, err := db.Exec(ctx, statement, before); err != nil {
		return fmt.Errorf("noting before when logs are purged: %w", err)
	}
	return nil
}
