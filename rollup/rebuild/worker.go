package rebuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"golang.org/x/sync/semaphore"
)

// Worker works the jobs that [Args] describes, chunk by chunk, a
// transaction each. What a chunk repaired, how far the job has come and where it
// goes on are committed together, so that a crash repeats at most the chunks in
// which it happened: one for each of the job's workers.
type Worker struct {
	river.WorkerDefaults[Args]

	Pool   *pgxpool.Pool
	Zone   *time.Location
	Logger *slog.Logger
	// ChunkLogs bounds the logs of one chunk, and with them how long its
	// transaction takes.
	ChunkLogs int

	// spare is the connections that rebuilds may take beside the one that each has.
	spare *semaphore.Weighted
}

// spareConnections is half of those that nobody counts on: each of the three
// rebuilds that may be worked at the same time has one, and the queue another.
func spareConnections(pool *pgxpool.Pool) *semaphore.Weighted {
	const countedOn = 4
	return semaphore.NewWeighted(max(0, int64(pool.Config().MaxConns)-countedOn) / 2)
}

// Timeout is none: a rebuild takes as long as it takes. River never rescues such
// a job after a crash, so [Jobs] does.
func (*Worker) Timeout(*river.Job[Args]) time.Duration { return -1 }

// NextRetry is soon: what makes a rebuild fail is a database that is away.
func (*Worker) NextRetry(job *river.Job[Args]) time.Time {
	const shortest, longest = time.Second, time.Minute
	return time.Now().Add(min(shortest<<min(job.Attempt, 10), longest))
}

// Work rebuilds the job's scope from where it had come to. Where the client stops, the
// job is handed on at once; where the job is cancelled, it ends. In both cases
// what was repaired stays repaired.
func (w *Worker) Work(ctx context.Context, job *river.Job[Args]) error {
	connection, err := holdJob(ctx, w.Pool, job.ID)
	if err != nil {
		return fmt.Errorf("starting the rebuild: %w", err)
	}
	defer releaseJob(ctx, connection, job.ID)
	if err := lookAgain(ctx, job); err != nil {
		return err
	}

	river.ResumableStepCursor(ctx, "chunks", nil, func(ctx context.Context, from resumePoint) error {
		running, err := w.resume(job, from)
		if err != nil {
			return err
		}
		err = running.run(ctx, connection.Conn())
		if ctx.Err() != nil {
			return context.Cause(ctx) // which tells River a stop from a cancellation
		}
		if isInterruption(err) {
			w.Logger.WarnContext(ctx, "a rebuild was interrupted, and is tried again",
				slog.Int64("rebuild", job.ID), slog.Any("error", err))
		}
		return err
	})
	return nil
}

// errTakenOver is the error of an attempt whose job isn't its own any more. It
// must reach River as it is.
var errTakenOver error = takenOverError{}

// takenOverError has River write nothing. Of any other error, and of none, River
// writes what became of the job, by the job's id alone: whatever attempt has it
// then is ended, or made to begin again. Of an error with these methods it writes
// what became of the jobs that the error lists.
type takenOverError struct{}

func (takenOverError) Error() string { return "another attempt has gone on with this rebuild" }

// Jobs and ErrorsByID list no job.
func (takenOverError) Jobs() []*rivertype.JobRow   { return nil }
func (takenOverError) ErrorsByID() map[int64]error { return nil }

// errOutOfDate is the error of an attempt that has the job, but begins at a point that
// another has passed.
var errOutOfDate = errors.New("this rebuild has come further meanwhile")

// lookAgain looks again at a job that may have waited for its lock, or for a
// database that was away. River writes down late what became of an attempt that
// failed in an outage, and may then have ended a later one too: if the job isn't
// running, or is another attempt's, there is nothing to do. If an earlier attempt
// went on with it, this one would begin too early; the next will know better.
func lookAgain(ctx context.Context, job *river.Job[Args]) error {
	now, err := river.ClientFromContext[pgx.Tx](ctx).JobGet(ctx, job.ID)
	if err != nil {
		return fmt.Errorf("looking at the job again: %w", err)
	}
	if err := checkAttempt(job, now); err != nil {
		return err
	}
	if !bytes.Equal(now.Metadata, job.Metadata) {
		return errOutOfDate
	}
	return nil
}

// checkAttempt returns the error with which an attempt ends whose job, as it is
// now, is another's, or is to be cancelled. River tells its workers of that once,
// by a notification, which is lost on one that is just connecting again.
func checkAttempt(attempt *river.Job[Args], now *rivertype.JobRow) error {
	if now.State != rivertype.JobStateRunning || now.Attempt != attempt.Attempt {
		return errTakenOver
	}
	cancelled, err := cancelRequestedAt(now)
	if err == nil && cancelled != nil {
		return river.ErrJobCancelledRemotely
	}
	return err
}

// isInterruption says whether a rebuild that ended with an error is tried again
// because of it.
func isInterruption(err error) bool {
	return err != nil && !errors.Is(err, errTakenOver) && !errors.Is(err, river.ErrJobCancelledRemotely)
}
