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

// A worker holds an advisory lock of its session for as long as it works a
// rebuild, on the connection that it works with. When its process dies, so does
// the session and with it the lock: that is how the others see, within seconds,
// that a job which River calls running isn't.
const (
	holdLock    int32 = 0x6c6c_6a62 // "lljb", the first half of the key; the job's id is the second
	rescueEvery       = 2 * time.Second
	// rescueAfter is the time that a worker has from taking a job to holding it.
	rescueAfter = 5 * time.Second
)

// holdJob takes a connection from the pool and with it the lock that says that
// the job is being worked. It waits for the session of a worker that died.
func holdJob(ctx context.Context, pool *pgxpool.Pool, jobID int64) (*pgxpool.Conn, error) {
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	// A machine that vanishes says nothing: the server has to ask. (On a socket
	// of the same machine these settings do nothing.)
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

// releaseJob gives the lock and the connection back, also when ctx has ended.
func releaseJob(ctx context.Context, connection *pgxpool.Conn, jobID int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := connection.Exec(ctx, `SELECT pg_advisory_unlock($1, $2)`, holdLock, lockKey(jobID)); err != nil {
		_ = connection.Conn().Close(ctx) // the lock ends with its session
	}
	connection.Release()
}

// lockKey folds a job's id into the half of a key. Two ids that collide, four
// thousand million jobs apart, would delay a rescue and harm nothing else.
func lockKey(jobID int64) int32 { return int32(jobID) } //nolint:gosec // see above

// rescue takes back the rebuilds that nobody works any more, so that somebody
// goes on with them, and returns how many.
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

// takeBack does to one job what River's own rescuer does to those that exceed
// their timeout: it is cancelled if somebody asked for that, given up after its
// last attempt, and otherwise made available, at once. Nothing happens if the job
// was taken up meanwhile.
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
