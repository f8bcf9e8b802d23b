package rollup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
)

// Verification says what was compared with its logs, by a rebuild or by a dry
// run. Of each there is kept what the last that came to its end has found.
type Verification string

// The verifications.
const (
	// Everything is all rollups.
	Everything Verification = "everything"
	// Routine is a sample and whoever was active: see [RoutineConfig].
	Routine Verification = "routine"
)

// verification returns what a rebuild verifies, or false if it is less than what
// is kept.
func (a RebuildArgs) verification() (_ Verification, ok bool) {
	switch {
	case a.Routine:
		return Routine, true
	case a.Scope.IsEverything():
		return Everything, true
	}
	return "", false
}

// lastRoutine is what a routine leaves to the next.
type lastRoutine struct {
	BeganAt      *time.Time // nil is never
	DriftedUsers []uuid.UUID
	NextUser     uuid.UUID
}

func readLastRoutine(ctx context.Context, tx pgx.Tx) (last lastRoutine, err error) {
	const query = `
		SELECT began_at, drifted_users, next_user
		FROM learning_log_verifications WHERE verification = $1`
	err = tx.QueryRow(ctx, query, Routine).Scan(&last.BeganAt, &last.DriftedUsers, &last.NextUser)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return lastRoutine{}, fmt.Errorf("reading what was verified last: %w", err)
	}
	return last, nil
}

// keepVerification keeps what a rebuild has found, in the transaction of its last
// chunk; unless one that began later has ended before: what that found is newer.
func keepVerification(
	ctx context.Context, tx pgx.Tx, job *river.Job[RebuildArgs], cursor rebuildCursor, found RebuildProgress,
) error {
	verification, ok := job.Args.verification()
	if !ok {
		return nil
	}
	const upsert = `
		INSERT INTO learning_log_verifications
		    (verification, rebuild_id, began_at, finished_at, users, logs,
		     rows_drifted, rows_repaired, drifted_users, next_user)
		VALUES (@verification, @rebuild, @began, now(), @users, @logs, @drifted, @repaired, @drifted_users, @next_user)
		ON CONFLICT (verification) DO UPDATE SET
		    rebuild_id = excluded.rebuild_id, began_at = excluded.began_at, finished_at = excluded.finished_at,
		    users = excluded.users, logs = excluded.logs,
		    rows_drifted = excluded.rows_drifted, rows_repaired = excluded.rows_repaired,
		    drifted_users = excluded.drifted_users, next_user = excluded.next_user
		WHERE learning_log_verifications.began_at <= excluded.began_at`
	_, err := tx.Exec(ctx, upsert, pgx.NamedArgs{
		"verification":  verification,
		"rebuild":       job.ID,
		"began":         cursor.BeganAt,
		"users":         found.UsersDone,
		"logs":          found.LogsDone,
		"drifted":       found.RowsDrifted,
		"repaired":      found.RowsRepaired,
		"drifted_users": found.driftedUsers(),
		"next_user":     cursor.NextUser,
	})
	if err != nil {
		return fmt.Errorf("keeping what was verified: %w", err)
	}
	if verification == Everything && !job.Args.DryRun {
		return keepRepair(ctx, tx, cursor.BeganAt)
	}
	return nil
}

// keepRepair notes that a rebuild of everything, which began at an instant, has
// repaired what a routine had found before.
func keepRepair(ctx context.Context, tx pgx.Tx, began time.Time) error {
	const update = `
		UPDATE learning_log_verifications SET rows_repaired = rows_drifted, drifted_users = '{}'
		WHERE verification = $1 AND finished_at < $2 AND rows_repaired < rows_drifted`
	if _, err := tx.Exec(ctx, update, Routine, began); err != nil {
		return fmt.Errorf("keeping what was repaired: %w", err)
	}
	return nil
}

// driftedUsers returns the users of the examples that were not repaired.
func (p RebuildProgress) driftedUsers() []uuid.UUID {
	users := []uuid.UUID{}
	if p.RowsRepaired == p.RowsDrifted {
		return users
	}
	for _, drift := range p.Examples {
		users = append(users, drift.UserID)
	}
	slices.SortFunc(users, compareIDs)
	return slices.Compact(users)
}
