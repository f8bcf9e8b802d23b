package rebuild

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
)

// waitingSQL lists the states in which a job waits.
const waitingSQL = `'available', 'pending', 'scheduled', 'retryable'`

// Waiting returns how many requested rebuilds and re-zones wait.
func (j *Jobs) Waiting(ctx context.Context) (waiting int, err error) {
	query := `SELECT count(*) FROM ` + j.table() + ` WHERE ` + requestedWaitingSQL
	err = j.pool.QueryRow(ctx, query, ofRequested()).Scan(&waiting)
	if err != nil {
		return 0, fmt.Errorf("counting rebuilds that wait: %w", err)
	}
	return waiting, nil
}

// CancelWaiting cancels all requested rebuilds and re-zones that wait, in one statement, and
// returns how many. It leaves alone those that run, and routines. What a rebuild has
// repaired before it was interrupted stays repaired.
func (j *Jobs) CancelWaiting(ctx context.Context) (cancelled int, err error) {
	// The mark is the one that River makes.
	statement := `
		WITH waiting AS (
		    SELECT id FROM ` + j.table() + `
		    WHERE ` + requestedWaitingSQL + `
		    ORDER BY id
		    FOR UPDATE
		)
		UPDATE ` + j.table() + ` AS job
		SET state = 'cancelled',
		    finalized_at = now(),
		    metadata = jsonb_set(metadata, '{cancel_attempted_at}', to_jsonb(now()))
		FROM waiting
		WHERE job.id = waiting.id`
	err = retry.Conflicts(ctx, func() error {
		result, err := j.pool.Exec(ctx, statement, ofRequested())
		cancelled = int(result.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cancelling the rebuilds that wait: %w", err)
	}
	return cancelled, nil
}

// requestedWaitingSQL is a condition for the rebuilds and re-zones that wait, unless they
// are routines. It reads no arguments.
const requestedWaitingSQL = `kind = @kind AND state IN (` + waitingSQL + `) AND queue <> @routine`

func ofRequested() pgx.NamedArgs {
	return pgx.NamedArgs{"kind": Args{}.Kind(), "routine": routineQueue}
}
