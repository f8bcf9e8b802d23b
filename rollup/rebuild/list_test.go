package rebuild_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

func users(n int) []uuid.UUID {
	users := make([]uuid.UUID, n)
	for i := range users {
		users[i] = user(i)
	}
	return users
}

// They would take longer to read than all the rest: here they couldn't be read.
func TestAListOfRebuildsReadsNoLongListsOfUsers(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	requested := rebuild.Args{
		Scope:  rebuild.Scope{Users: users(rebuild.MaxUsers), From: new(date("2026-11-01"))},
		DryRun: true, Workers: 3, MaxLogsPerSecond: 5000,
	}
	_, err := jobs.Request(t.Context(), requested)
	require.NoError(t, err)
	execute(t, pool, `UPDATE river.river_job SET args = '"not to be read"'`)

	list, err := jobs.List(t.Context(), 10)

	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Equal(t, rebuild.MaxUsers, list[0].Users)
	requested.Scope.Users = nil
	assert.Equal(t, requested, list[0].Args)
}

func TestAListOfRebuildsHasWhatWasRequestedLast(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t))
	everybody, err := jobs.Request(t.Context(), rebuild.Args{})
	require.NoError(t, err)
	few, err := jobs.Request(t.Context(), rebuild.Args{Scope: rebuild.Scope{Users: users(2)}, TimeZone: "Asia/Tokyo"})
	require.NoError(t, err)
	many, err := jobs.Request(t.Context(), rebuild.Args{Scope: rebuild.Scope{Users: users(11)}})
	require.NoError(t, err)
	require.NoError(t, jobs.Cancel(t.Context(), few.ID))

	list, err := jobs.List(t.Context(), 3)
	require.NoError(t, err)
	latest, err := jobs.List(t.Context(), 1)
	require.NoError(t, err)

	require.Len(t, list, 3)
	assert.Equal(t, list[:1], latest)
	for i, want := range []struct {
		id    int64
		users int
	}{{many.ID, 11}, {few.ID, 2}, {everybody.ID, 0}} {
		one, err := jobs.Get(t.Context(), want.id)
		require.NoError(t, err)
		assert.Equal(t, want.users, one.Users)
		if want.users > 10 {
			one.Args.Scope.Users = nil
		}
		assert.Equal(t, one, list[i], "besides long lists of users, it is what Get returns")
	}
	assert.Equal(t, rebuild.Cancelled, list[1].State)
	assert.NotNil(t, list[1].CancelRequestedAt)
}

func TestAListOfRebuildsKnowsJobsOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newJobs(t, pool)
	insert(t, jobs, rebuild.Args{Scope: rebuild.Scope{Users: users(1000), To: new(date("2026-11-01"))}, Workers: 2})
	insertOldJob(t, pool, "default", `{"scope": {}, "workers": 2}`,
		`{"rows_drifted": 3, "logs_done": 30, "examples": [{"granularity": "week"}]}`, `{"begun": true}`)
	execute(t, pool, `UPDATE river.river_job SET errors = ARRAY['{"error": "first"}', '{"error": "last"}']::jsonb[]`)

	list, err := jobs.List(t.Context(), 10)

	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.EqualValues(t, 30, list[0].Progress.LogsDone)
	assert.EqualValues(t, 3, list[0].Progress.RowsDrifted)
	assert.Empty(t, list[0].Progress.Examples)
	assert.Equal(t, "last", list[0].Error)
	assert.Equal(t, 1000, list[1].Users)
	assert.Equal(t, rebuild.Args{Scope: rebuild.Scope{To: new(date("2026-11-01"))}, Workers: 2}, list[1].Args)
}
