package rebuild_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

// Two rebuilds with the pace that earlier versions allowed keep both workers.
func TestAnOperatorsRebuildDoesNotWaitBehindOthers(t *testing.T) {
	t.Parallel()
	const users = 100
	pool := pgtest.Pool(t)
	for n := range users {
		record(t, pool, newLog(user(n), 10, "2026-11-22T08:00:00Z"))
	}
	jobs := newJobs(t, pool)
	slow := rebuild.Args{MaxLogsPerSecond: 1}
	for range 20 {
		_, err := jobs.Request(t.Context(), slow)
		require.NoError(t, err)
		slow.Scope.Users = append(slow.Scope.Users, uuid.New(), user(1), user(2), user(3))
	}
	start(t, jobs)
	await(t, jobs, 2, "both workers are busy", func(job *rivertype.JobRow, _ rebuild.Progress) bool {
		return job.State == rivertype.JobStateRunning
	})

	own, err := jobs.Request(t.Context(), rebuild.Args{Operator: true})

	require.NoError(t, err)
	assert.False(t, own.Joined, "one of the same scope may wait behind others")
	progress := await(t, jobs, own.ID, "the operator's rebuild ends", isCompleted)
	assert.EqualValues(t, users, progress.LogsDone)
	last, err := jobs.Get(t.Context(), 20)
	require.NoError(t, err)
	assert.Equal(t, rebuild.Available, last.State, "the others still wait")
}

func TestAnOperatorsRequestJoinsThatOfAnOperator(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	first, err := jobs.Request(t.Context(), rebuild.Args{Operator: true})
	require.NoError(t, err)
	second, err := jobs.Request(t.Context(), rebuild.Args{Operator: true})
	require.NoError(t, err)
	assert.Equal(t, rebuild.Requested{ID: first.ID, Joined: true}, second)
}

// The order of re-zones says which one has the last word.
func TestReZonesWaitInOneQueueWhoeverRequestsThem(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	assert.Equal(t, "rezone", insert(t, jobs, rebuild.Args{TimeZone: "Asia/Tokyo"}).Job.Queue)
	assert.Equal(t, "rezone", insert(t, jobs, rebuild.Args{TimeZone: "Asia/Tokyo", Operator: true}).Job.Queue)
}

// A request of this version joins a job that an earlier one left.
func TestOperatorsDontChangeTheUniqueKeyOfOthers(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	requested, err := jobs.Request(t.Context(), rebuild.Args{DryRun: true})
	require.NoError(t, err)
	key := scan[string](t, pool, `
		SELECT encode(sha256(convert_to('&kind=rebuild&args={"dry_run":true}', 'utf8')), 'hex')`)
	assert.Equal(t, key, scan[string](t, pool, `SELECT encode(unique_key, 'hex') FROM river.river_job WHERE id = $1`, requested.ID))
}
