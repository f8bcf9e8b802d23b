package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// A worker holds a session-level advisory lock as long as it works on a rebuild, on
// the connection that it uses for the work. When its process dies, the session ends
// and the lock is released. That is how other processes see, within seconds, that a
// job which River calls running isn't.
const (
	holdLock    int32 = 0x6c6c_6a62 // "lljb", the first half of the key; the job's id is the second
	rescueEvery       = 2 * time.Second
	// rescueAfter is the time that a worker has to take the lock after it has taken
	// the job.
	rescueAfter = 5 * time.Second
)

// holdJob acquires a connection and, on it, the lock that says that somebody works
// on the job. If the worker before has died, it waits until that worker's session
// ends.
func holdJob(ctx context.Context, pool *pgxpool.Pool, jobID int64) (*pgxpool.Conn, error) {
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	// A machine that vanishes doesn't close its connections, so the server has to
	// probe them. (On a Unix socket these settings have no effect.)
	const notice = `SELECT set_config('tcp_keepalives_idle', '10', false),
	                       set_config('tcp_keepalives_interval', '5', false),
	                       set_config('tcp_keepalives_count', '3', false)`
	_, err = connection.Exec(ctx, notice)
	if err == nil {
		_, err = connection.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, holdLock, lockKey(jobID))
	}
	if err != nil {
		connection.Release()
		return nil, err
	}
	return connection, nil
}

// releaseJob releases the connection, and all locks that it holds for the job, even if
// ctx has ended.
func releaseJob(ctx context.Context, connection *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := connection.Exec(ctx, `SELECT pg_advisory_unlock_all()`); err != nil {
		_ = connection.Conn().Close(ctx) // closing the session releases the locks
	}
	connection.Release()
}

// lockKey folds the id of a job into half of a lock key. Ids collide if they are
// four thousand million apart; that would only delay a rescue.
func lockKey(jobID int64) int32 { return int32(jobID) } //nolint:gosec // see above

// rescue makes running rebuilds whose process has died available again, so that
// another process continues them. It returns how many.
func rescue(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx]) (int, error) {
	running := river.NewJobListParams().
		Kinds(Args{}.Kind()).
		States(rivertype.JobStateRunning).
		First(1000)
	jobs, err := client.JobList(ctx, running)
	if err != nil {
		return 0, fmt.Errorf("listing running rebuilds: %w", err)
	}

	rescued := 0
	for _, job := range jobs.Jobs {
		if time.Since(*job.AttemptedAt) < rescueAfter {
			continue
		}
		held, err := isHeld(ctx, pool, job.ID)
		if err != nil {
			return rescued, fmt.Errorf("looking for the worker of rebuild %d: %w", job.ID, err)
		}
		if held {
			continue
		}
		if err := takeBack(ctx, client, job); err != nil {
			return rescued, fmt.Errorf("rescuing rebuild %d: %w", job.ID, err)
		}
		rescued++
	}
	return rescued, nil
}

func isHeld(ctx context.Context, pool *pgxpool.Pool, jobID int64) (held bool, err error) {
	const query = `
		SELECT EXISTS (
		    SELECT FROM pg_locks
		    WHERE locktype = 'advisory'
		      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		      AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 2 AND granted)`
	err = pool.QueryRow(ctx, query, int64(holdLock), int64(uint32(lockKey(jobID)))).Scan(&held) //nolint:gosec // an oid is unsigned
	return held, err
}

// takeBack does to one job what River's own rescuer does to jobs that exceed their
// timeout. If a cancellation was requested, the job is cancelled; after the last
// attempt it is discarded; otherwise it becomes available at once. If another worker
// has taken the job meanwhile, nothing happens.
func takeBack(ctx context.Context, client *river.Client[pgx.Tx], job *rivertype.JobRow) error {
	cancelled, err := cancelRequestedAt(job)
	if err != nil {
		return err
	}
	now := time.Now()
	state, finalizedAt := rivertype.JobStateAvailable, (*time.Time)(nil)
	switch {
	case cancelled != nil:
		state, finalizedAt = rivertype.JobStateCancelled, &now
	case job.Attempt >= job.MaxAttempts:
		state, finalizedAt = rivertype.JobStateDiscarded, &now
	}
	reason, err := json.Marshal(rivertype.AttemptError{
		At:      now,
		Attempt: job.Attempt,
		Error:   "the process that worked this rebuild is gone",
	})
	if err != nil {
		return err
	}
	_, err = client.Driver().GetExecutor().JobRescueMany(ctx, &riverdriver.JobRescueManyParams{
		ID:           []int64{job.ID},
		Error:        [][]byte{reason},
		FinalizedAt:  []*time.Time{finalizedAt},
		ScheduledAt:  []time.Time{now},
		Schema:       client.Schema(),
		State:        []string{string(state)},
		StuckHorizon: job.AttemptedAt.Add(time.Microsecond),
	})
	return err
}
