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

	"learninglog/internal/zones"
)

// Worker works on the jobs that [Args] describes, chunk by chunk, in one transaction
// each. The repairs of a chunk, the progress and the resume point are committed
// together. So a crash repeats at most the chunks that were in progress: one for
// each of the job's workers.
type Worker struct {
	river.WorkerDefaults[Args]

	Pool   *pgxpool.Pool
	Zones  *zones.Database
	Logger *slog.Logger
	// ChunkLogs limits the logs of one chunk, and so the duration of its
	// transaction.
	ChunkLogs int
	// EraseSettleTime and Forget are those of [Config].
	EraseSettleTime time.Duration
	Forget          []Forget
	// SettleTime is how long a purge waits until all processes know what is refused.
	SettleTime time.Duration

	// spare counts the connections that rebuilds may use besides the one that each
	// has.
	spare *semaphore.Weighted
}

// spareConnections returns half of the connections that aren't reserved. Eight are
// reserved: one for each of the seven jobs that may run at the same time, and one for
// the queue.
func spareConnections(pool *pgxpool.Pool) *semaphore.Weighted {
	const countedOn = 8
	return semaphore.NewWeighted(max(0, int64(pool.Config().MaxConns)-countedOn) / 2)
}

// Timeout returns no timeout, because a rebuild may take any time. River never
// rescues a job without a timeout after a crash, so [Jobs] does.
func (*Worker) Timeout(*river.Job[Args]) time.Duration { return -1 }

// NextRetry returns a time soon after the failure, because a rebuild usually fails
// only while the database is unavailable.
func (*Worker) NextRetry(job *river.Job[Args]) time.Time {
	const shortest, longest = time.Second, time.Minute
	return time.Now().Add(min(shortest<<min(job.Attempt, 10), longest))
}

// Work rebuilds the job's scope from its resume point on. If the client stops, the
// job is handed back at once; if the job is cancelled, it ends. In both cases, what
// was repaired stays repaired.
func (w *Worker) Work(ctx context.Context, job *river.Job[Args]) error {
	connection, err := holdJob(ctx, w.Pool, job.ID)
	if err != nil {
		return fmt.Errorf("starting the rebuild: %w", err)
	}
	defer releaseJob(ctx, connection)
	if err := recheckJob(ctx, job); err != nil {
		return err
	}
	if err := takeTurn(ctx, connection.Conn(), job); err != nil {
		return err
	}

	river.ResumableStepCursor(ctx, "chunks", nil, func(ctx context.Context, from resumePoint) error {
		running, err := w.resume(job, from)
		if err != nil {
			return err
		}
		err = running.run(ctx, connection.Conn())
		if ctx.Err() != nil {
			return context.Cause(ctx) // tells River whether this is a stop or a cancellation
		}
		if isInterruption(err) {
			w.Logger.WarnContext(ctx, "a rebuild was interrupted, and is tried again",
				slog.Int64("rebuild", job.ID), slog.Any("error", err))
		}
		return err
	})
	return nil
}

// errTakenOver means that the job no longer belongs to this attempt. River must get
// it unwrapped.
var errTakenOver error = takenOverError{}

// takenOverError makes River write nothing. After any other error, and after
// success, River writes the result by the job's id alone, so it would end or restart
// whichever attempt has the job then. For an error with these methods, River writes
// the results of the jobs that the error lists.
type takenOverError struct{}

func (takenOverError) Error() string { return "another attempt has gone on with this rebuild" }

// Jobs and ErrorsByID list no jobs.
func (takenOverError) Jobs() []*rivertype.JobRow   { return nil }
func (takenOverError) ErrorsByID() map[int64]error { return nil }

// errOutOfDate means that the job belongs to this attempt, but another attempt has
// passed the point from which this one would start.
var errOutOfDate = errors.New("this rebuild has come further meanwhile")

// recheckJob checks the job again, because the attempt may have waited for the lock
// or for a database that was unavailable. After an outage, River may write the
// result of a failed attempt late, and so end a later attempt too. If the job isn't
// running or belongs to another attempt, there is nothing to do. If an earlier
// attempt has continued meanwhile, this one would start too early; the next attempt
// will start at the right point.
func recheckJob(ctx context.Context, job *river.Job[Args]) error {
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

// checkAttempt returns an error if the job, in its current state, belongs to another
// attempt or is to be cancelled. River notifies its workers of a cancellation only
// once, and a worker that is just reconnecting misses the notification.
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

// isInterruption reports whether the rebuild failed with an error after which it is
// tried again.
func isInterruption(err error) bool {
	return err != nil && !errors.Is(err, errTakenOver) && !errors.Is(err, river.ErrJobCancelledRemotely)
}
