package rebuild_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

// holdLock is the first half of the key of the lock that a worker holds on its job.
const holdLock = 0x6c6c_6a62

// blockJob takes the lock of a job as soon as it is free.
func blockJob(t *testing.T, blocker *pgxpool.Conn, id int64) {
	t.Helper()
	_, err := blocker.Exec(context.Background(), `SELECT pg_advisory_lock($1, $2)`, holdLock, id)
	require.NoError(t, err)
}

func unblockJob(t *testing.T, blocker *pgxpool.Conn, id int64) {
	t.Helper()
	_, err := blocker.Exec(context.Background(), `SELECT pg_advisory_unlock($1, $2)`, holdLock, id)
	require.NoError(t, err)
}

// An attempt may have to wait until the job is taken back, and perhaps taken up by
// another process. Then it leaves the job alone: its own result isn't written as the
// result of the other attempt.
func TestAnAttemptThatComesTooLateLeavesTheJobToTheNext(t *testing.T) {
	t.Parallel()
	for name, whenItLooks := range map[string]string{
		"taken back": `UPDATE river.river_job SET state = 'available', scheduled_at = now() + interval '1 hour' WHERE id = $1`,
		"taken up":   `UPDATE river.river_job SET attempt = attempt + 1 WHERE id = $1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			recordUsers(t, pool, 3)
			corrupt(t, pool, 1)
			jobs := newJobs(t, pool)
			id := insert(t, jobs, rebuild.Args{}).Job.ID
			blocker, err := pool.Acquire(context.Background())
			require.NoError(t, err)
			defer blocker.Release()
			blockJob(t, blocker, id)
			start(t, jobs)
			waitForLock(t, pool)
			execute(t, pool, whenItLooks, id)

			unblockJob(t, blocker, id)
			blockJob(t, blocker, id) // when the attempt is over
			execute(t, pool, `
				UPDATE river.river_job SET state = 'running', attempt = 2, attempted_at = now() - interval '1 minute'
				WHERE id = $1`, id)
			unblockJob(t, blocker, id) // as if the process of the second attempt had died

			await(t, jobs, id, "the rebuild ends", isCompleted)
			assert.Empty(t, pgtest.Drift(t, pool))
			job, err := jobs.Client().JobGet(context.Background(), id)
			require.NoError(t, err)
			assert.Equal(t, 3, job.Attempt)
			require.Len(t, job.Errors, 1)
			assert.Equal(t, 2, job.Errors[0].Attempt)
		})
	}
}

// This happens to a worker that lost its session in a restart of the database, for
// example.
func TestAnAttemptEndsWhenAnotherHasTheJob(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 20)
	for n := range 20 {
		corrupt(t, pool, n)
	}
	jobs := newJobs(t, pool)
	start(t, jobs)
	id := insert(t, jobs, rebuild.Args{MaxLogsPerSecond: 2}).Job.ID
	await(t, jobs, id, "it has begun", func(_ *rivertype.JobRow, progress rebuild.Progress) bool {
		return progress.RowsRepaired > 0
	})
	blocker, err := pool.Acquire(context.Background())
	require.NoError(t, err)
	defer blocker.Release()

	execute(t, pool, `UPDATE river.river_job SET attempt = attempt + 1 WHERE id = $1`, id)
	drift := pgtest.Drift(t, pool)
	blockJob(t, blocker, id) // when the attempt is over

	assert.Equal(t, drift, pgtest.Drift(t, pool), "no other chunk is committed")
	job, err := jobs.Client().JobGet(context.Background(), id)
	require.NoError(t, err)
	assert.Equal(t, rivertype.JobStateRunning, job.State, "it is the other attempt's")
	assert.Empty(t, job.Errors)
	unblockJob(t, blocker, id)
}

// River notifies workers of a cancellation once, and a worker may miss it.
func TestARebuildIsCancelledWhoseWorkerWasNotTold(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 20)
	for n := range 20 {
		corrupt(t, pool, n)
	}
	jobs := newJobs(t, pool)
	start(t, jobs)
	id := insert(t, jobs, rebuild.Args{MaxLogsPerSecond: 5}).Job.ID
	await(t, jobs, id, "it has begun", func(_ *rivertype.JobRow, progress rebuild.Progress) bool {
		return progress.RowsRepaired > 0
	})

	execute(t, pool, `
		SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND query ILIKE 'LISTEN%'`)
	_, err := jobs.Client().JobCancel(context.Background(), id)
	require.NoError(t, err)

	progress := await(t, jobs, id, "the rebuild ends", func(job *rivertype.JobRow, _ rebuild.Progress) bool {
		return job.FinalizedAt != nil
	})
	job, err := jobs.Client().JobGet(context.Background(), id)
	require.NoError(t, err)
	assert.Equal(t, rivertype.JobStateCancelled, job.State)
	assert.Less(t, progress.UsersDone, int64(20))
	assert.Len(t, pgtest.Drift(t, pool), 3*20-int(progress.RowsRepaired), "what it repaired stays repaired")
}
