package rollup

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
	rescueEvery       = 3 * time.Second
	// rescueAfter is the time that a worker has from taking a job to holding it.
	rescueAfter = 10 * time.Second
)

// holdJob takes a connection from the pool and with it the lock that says that
// the job is being worked. It waits for the session of a worker that died.
func holdJob(ctx context.Context, pool *pgxpool.Pool, jobID int64) (*pgxpool.Conn, error) {
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := connection.Exec(ctx, `SELECT pg_advisory_lock($1, $2)`, holdLock, lockKey(jobID)); err != nil {
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

// rescue makes the rebuilds that nobody works any more available again, and
// returns how many.
func rescue(ctx context.Context, pool *pgxpool.Pool, client *river.Client[pgx.Tx]) (int, error) {
	running := river.NewJobListParams().
		Kinds(RebuildArgs{}.Kind()).
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
		if err := makeAvailable(ctx, client, job); err != nil {
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

// makeAvailable does to one job what River's own rescuer does to those that
// exceed their timeout. It does nothing if the job was taken up meanwhile.
func makeAvailable(ctx context.Context, client *river.Client[pgx.Tx], job *rivertype.JobRow) error {
	now := time.Now()
	reason, err := json.Marshal(rivertype.AttemptError{
		At:      now,
		Attempt: job.Attempt,
		Error:   "the process that worked this rebuild is gone; it goes on where it was",
	})
	if err != nil {
		return err
	}
	_, err = client.Driver().GetExecutor().JobRescueMany(ctx, &riverdriver.JobRescueManyParams{
		ID:           []int64{job.ID},
		Error:        [][]byte{reason},
		FinalizedAt:  []*time.Time{nil},
		ScheduledAt:  []time.Time{now},
		Schema:       client.Schema(),
		State:        []string{string(rivertype.JobStateAvailable)},
		StuckHorizon: job.AttemptedAt.Add(time.Microsecond),
	})
	return err
}
