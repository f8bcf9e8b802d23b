package rebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"learninglog/internal/retry"
)

// VerificationKind is the part of the rollups that a rebuild or a dry run has
// compared with the logs. For each kind, the result of the last one that was
// completed is kept.
type VerificationKind string

// The kinds of verifications.
const (
	// Everything is all rollups.
	Everything VerificationKind = "everything"
	// Routine is a sample and the users who were active: see [RoutineConfig].
	Routine VerificationKind = "routine"
)

// Verification is the result of the last verification or rebuild of a kind.
type Verification struct {
	Kind VerificationKind
	// RebuildID is the id of that rebuild. [Jobs.Get] finds it for a day.
	RebuildID int64
	// BeganAt and FinishedAt are in UTC.
	BeganAt    time.Time
	FinishedAt time.Time
	// Users and Logs count what was compared.
	Users int64
	Logs  int64
	// RowsDrifted counts the rows of the rollup that were wrong. RowsRepaired counts
	// those that have been repaired: then, or since, as a later rebuild or verification
	// of everything has shown.
	RowsDrifted  int64
	RowsRepaired int64
}

// Verifications returns the last verification of each kind, if there was one,
// the latest first.
func (j *Jobs) Verifications(ctx context.Context) ([]Verification, error) {
	const query = `
		SELECT verification,
		       rebuild_id,
		       began_at,
		       finished_at,
		       users,
		       logs,
		       rows_drifted,
		       rows_repaired
		FROM learning_log_verifications
		ORDER BY finished_at DESC`
	all := func(rows pgx.Rows) ([]Verification, error) {
		return pgx.CollectRows(rows, pgx.RowToStructByPos[Verification])
	}
	verifications, err := retry.Read(ctx, j.pool, all, query)
	if err != nil {
		return nil, fmt.Errorf("reading what was verified: %w", err)
	}
	for i := range verifications {
		verifications[i].BeganAt = verifications[i].BeganAt.UTC()
		verifications[i].FinishedAt = verifications[i].FinishedAt.UTC()
	}
	return verifications, nil
}

// verificationKind returns what a rebuild verifies, or false if it verifies less than any
// kind.
func (a Args) verificationKind() (_ VerificationKind, ok bool) {
	switch {
	case a.IsRezone(), a.IsPurge(), a.Erase:
		return "", false
	case a.Routine:
		return Routine, true
	case a.Scope.IsEverything():
		return Everything, true
	}
	return "", false
}

// lastRoutine is what a routine leaves for the next one.
type lastRoutine struct {
	BeganAt      *time.Time // nil if there was none
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

// saveVerification saves the result of a rebuild in the transaction of its last
// chunk. It changes nothing if a rebuild that began later has ended before, because
// that result is newer.
func saveVerification(
	ctx context.Context, tx pgx.Tx, job *river.Job[Args], reached resumePoint, found Progress,
) error {
	kind, ok := job.Args.verificationKind()
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
		"verification":  kind,
		"rebuild":       job.ID,
		"began":         reached.BeganAt,
		"users":         found.UsersDone,
		"logs":          found.LogsDone,
		"drifted":       found.RowsDrifted,
		"repaired":      found.RowsRepaired,
		"drifted_users": found.driftedUsers(),
		"next_user":     reached.NextUser,
	})
	if err != nil {
		return fmt.Errorf("keeping what was verified: %w", err)
	}
	if kind == Everything && found.RowsRepaired == found.RowsDrifted {
		return saveRepair(ctx, tx, reached.BeganAt)
	}
	return nil
}

// saveRepair notes that the drift that a routine had found is repaired. A rebuild or a
// verification of everything, which began at an instant after that routine, has left no
// drift.
func saveRepair(ctx context.Context, tx pgx.Tx, began time.Time) error {
	const update = `
		UPDATE learning_log_verifications SET rows_repaired = rows_drifted, drifted_users = '{}'
		WHERE verification = $1 AND finished_at < $2 AND rows_repaired < rows_drifted`
	if _, err := tx.Exec(ctx, update, Routine, began); err != nil {
		return fmt.Errorf("keeping what was repaired: %w", err)
	}
	return nil
}

// driftedUsers returns the users of the examples that were not repaired.
func (p Progress) driftedUsers() []uuid.UUID {
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
