package rebuild_test

import (
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

func TestCancelAllRebuildsThatWait(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	running := insert(t, jobs, ofNobody()).Job.ID
	routine := insert(t, jobs, rebuild.Args{Routine: true}).Job.ID
	ended := insert(t, jobs, ofNobody()).Job.ID
	execute(t, pool, `UPDATE river.river_job SET state = 'running', attempted_at = now() WHERE id = $1`, running)
	execute(t, pool, `UPDATE river.river_job SET state = 'completed', finalized_at = now() WHERE id = $1`, ended)
	var waiting []int64
	for n, state := range []string{"available", "pending", "scheduled", "retryable", "available", "available"} {
		args := ofNobody()
		args.Operator = n == 4
		if n == 5 {
			args.TimeZone = "Asia/Tokyo"
		}
		id := insert(t, jobs, args).Job.ID
		execute(t, pool, `UPDATE river.river_job SET state = $2::text::river.river_job_state WHERE id = $1`, id, state)
		waiting = append(waiting, id)
	}

	before, err := jobs.Waiting(t.Context())
	require.NoError(t, err)
	cancelled, err := jobs.CancelWaiting(t.Context())
	require.NoError(t, err)
	again, err := jobs.CancelWaiting(t.Context())
	require.NoError(t, err)

	assert.Equal(t, len(waiting), before)
	assert.Equal(t, len(waiting), cancelled)
	assert.Zero(t, again)
	for id, state := range map[int64]rebuild.State{running: rebuild.Running, routine: rebuild.Available, ended: rebuild.Completed} {
		job, err := jobs.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, state, job.State, "it is left alone")
		assert.Nil(t, job.CancelRequestedAt)
	}
	for _, id := range waiting {
		job, err := jobs.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, rebuild.Cancelled, job.State)
		assert.NotNil(t, job.CancelRequestedAt, "as if each had been cancelled by itself")
		assert.True(t, job.Ended())
	}
}

// The worker that takes a job while all that wait are cancelled has it, or doesn't.
func TestCancellingAllThatWaitLeavesWhatAWorkerTakes(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	id := insert(t, jobs, ofNobody()).Job.ID
	taking, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = taking.Exec(t.Context(), `UPDATE river.river_job SET state = 'running', attempted_at = now()`)
	require.NoError(t, err)
	result := make(chan int, 1)
	go func() {
		cancelled, err := jobs.CancelWaiting(t.Context())
		assert.NoError(t, err)
		result <- cancelled
	}()
	waitForLock(t, pool)

	require.NoError(t, taking.Commit(t.Context()))

	assert.Zero(t, <-result)
	job, err := jobs.Client().JobGet(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, rivertype.JobStateRunning, job.State)
}

// Earlier versions accepted any number.
func TestTenThousandRebuildsThatWaitAreCancelledInOneCall(t *testing.T) {
	t.Parallel()
	const many = 10_000
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	execute(t, pool, `
		INSERT INTO river.river_job (state, kind, queue, max_attempts, args, metadata)
		SELECT 'available', 'rebuild', 'default', 25, jsonb_build_object('scope', jsonb_build_object('users', users)), '{}'
		FROM generate_series(1, $1),
		     (SELECT jsonb_agg(gen_random_uuid()) AS users FROM generate_series(1, 100)) AS lists`, many)
	begun := time.Now()

	cancelled, err := jobs.CancelWaiting(t.Context())

	require.NoError(t, err)
	assert.Equal(t, many, cancelled)
	assert.Less(t, time.Since(begun), 10*time.Second)
	_, err = jobs.Request(t.Context(), rebuild.Args{})
	require.NoError(t, err, "there is room again")
}
