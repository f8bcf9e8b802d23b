package rebuild

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"learninglog/internal/retry"
)

// resumePoint is where a rebuild goes on. Its zero value is the beginning.
type resumePoint struct {
	Begun bool `json:"begun"`
	// BeganAt is when that was, by the database's clock, which is also that of
	// recorded_at.
	BeganAt time.Time `json:"began_at"`
	// Parts is what is left of the parts that the scope was divided into; nil is
	// nothing.
	Parts []*Part `json:"parts"`
	// NextUser is, of a routine, with whom the sample of the next one begins.
	NextUser uuid.UUID `json:"next_user"`
}

// isEnd says whether nothing is left.
func (p resumePoint) isEnd() bool {
	return p.Begun && !slices.ContainsFunc(p.Parts, func(part *Part) bool { return part != nil })
}

// change is what follows from a transaction, if it is committed.
type change func(*resumePoint, *Progress)

// commit does work in a transaction and commits it together with what follows
// from it.
func (a *attempt) commit(ctx context.Context, connection *pgx.Conn, work func(pgx.Tx) (change, error)) error {
	return retry.Conflicts(ctx, func() error {
		tx, err := connection.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
		if err != nil {
			return err
		}
		defer rollBack(ctx, tx) // of what isn't committed
		follows, err := work(tx)
		if err != nil {
			return err
		}

		a.mu.Lock()
		defer a.mu.Unlock()
		now, reached, progress := time.Now(), a.reached, a.progress
		follows(&reached, &progress)
		progress.Seconds += now.Sub(a.counted).Seconds()
		if err := checkpoint(ctx, tx, a.job, reached, progress); err != nil {
			return err
		}
		if reached.isEnd() {
			if err := end(ctx, tx, a.job, reached, progress); err != nil {
				return err
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		a.reached, a.progress, a.counted = reached, progress, now
		return nil
	})
}

// rollBack ends a transaction also when ctx has ended. Where it fails, the
// connection is broken: the server rolls back by itself, and what failed before
// says more.
func rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// checkpoint writes how far the job has come: the progress for whoever watches,
// where it goes on for whoever resumes it.
func checkpoint(
	ctx context.Context, tx pgx.Tx, job *river.Job[Args], reached resumePoint, progress Progress,
) error {
	client := river.ClientFromContext[pgx.Tx](ctx)
	now, err := client.JobUpdateTx(ctx, tx, job.ID, &river.JobUpdateParams{Output: progress})
	if err != nil {
		return fmt.Errorf("writing the progress of the rebuild: %w", err)
	}
	if err := checkAttempt(job, now); err != nil {
		return err
	}
	if _, err := river.ResumableSetStepCursorTx[*riverpgxv5.Driver](ctx, tx, job, reached); err != nil {
		return fmt.Errorf("writing where the rebuild goes on: %w", err)
	}
	return nil
}

// end completes the job together with its last chunk. Left to River, that would
// be a moment later; and a crash in that moment would have it all done again.
func end(
	ctx context.Context, tx pgx.Tx, job *river.Job[Args], reached resumePoint, progress Progress,
) error {
	if err := keepVerification(ctx, tx, job, reached, progress); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return fmt.Errorf("completing the rebuild: %w", err)
	}
	return nil
}
