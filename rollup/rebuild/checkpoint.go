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

// resumePoint is the place where a rebuild continues. The zero value is the
// beginning.
type resumePoint struct {
	Begun bool `json:"begun"`
	// BeganAt is the time at which the rebuild began, by the database's clock. The
	// same clock sets recorded_at.
	BeganAt time.Time `json:"began_at"`
	// Parts has what is left of each part of the scope; nil means nothing is left.
	Parts []*Part `json:"parts"`
	// PurgedBefore is the instant before which a purge deletes logs. Only purges set it.
	PurgedBefore time.Time `json:"purged_before,omitzero"`
	// NextUser is the user with whom the sample of the next routine begins. Only
	// routines set it.
	NextUser uuid.UUID `json:"next_user"`
}

// isEnd reports whether nothing is left.
func (p resumePoint) isEnd() bool {
	return p.Begun && !slices.ContainsFunc(p.Parts, func(part *Part) bool { return part != nil })
}

// change applies the effect of a transaction, if the transaction is committed.
type change func(*resumePoint, *Progress)

// commit runs work in a transaction, and commits it together with the resume point
// and the progress that follow from it.
func (a *attempt) commit(ctx context.Context, connection *pgx.Conn, work func(pgx.Tx) (change, error)) error {
	return retry.Conflicts(ctx, func() error {
		tx, err := connection.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
		if err != nil {
			return err
		}
		defer rollBack(ctx, tx) // has no effect after a commit
		follows, err := work(tx)
		if err != nil {
			return err
		}

		a.mu.Lock()
		defer a.mu.Unlock()
		now, reached, progress := time.Now(), a.reached, a.progress
		follows(&reached, &progress)
		progress.Seconds += now.Sub(a.countedUntil).Seconds()
		if err := checkpoint(ctx, tx, a.job, reached, progress); err != nil {
			return err
		}
		if reached.isEnd() {
			if err := complete(ctx, tx, a.job, reached, progress); err != nil {
				return err
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
		a.reached, a.progress, a.countedUntil = reached, progress, now
		return nil
	})
}

// rollBack ends a transaction even if ctx has ended. If rolling back fails, the
// connection is broken and the server rolls back by itself. That error is ignored,
// because the error before it says more.
func rollBack(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = tx.Rollback(ctx)
}

// checkpoint writes how far the job has come: the progress for watchers, and the
// resume point for the next attempt.
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

// complete completes the job in the transaction of its last chunk. River alone would
// do so a moment later, and a crash in that moment would repeat the whole rebuild.
func complete(
	ctx context.Context, tx pgx.Tx, job *river.Job[Args], reached resumePoint, progress Progress,
) error {
	if err := saveVerification(ctx, tx, job, reached, progress); err != nil {
		return err
	}
	if _, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job); err != nil {
		return fmt.Errorf("completing the rebuild: %w", err)
	}
	return nil
}
