package rebuild_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// A job in the database survives an upgrade: its arguments and its resume point can
// be read as earlier versions wrote them.
func TestAJobOfAnEarlierVersionGoesOn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 6 {
		record(t, pool, time.UTC, newLog(user(n), 5, "2026-01-14T08:00:00Z"))
	}
	_, err := pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 0`)
	require.NoError(t, err)
	jobs := newJobs(t, pool)
	var id int64
	err = pool.QueryRow(t.Context(), `
		INSERT INTO river.river_job (state, kind, queue, max_attempts, args, metadata)
		VALUES ('available', 'rebuild', 'default', 25,
		    '{"scope": {"from": "2026-01-01T00:00:00Z"}, "workers": 2, "max_logs_per_second": 20000}',
		    '{"output": {"drifted": {"day": 2, "week": 1, "month": 0}, "seconds": 4.5, "examples": null, "logs_done": 30,
		                 "users_done": 3, "rows_drifted": 3, "logs_expected": 60, "rows_repaired": 3},
		      "river:resumable_step": "chunks",
		      "river:resumable_cursor": {"chunks": {"begun": true, "began_at": "2026-11-25T13:23:48.310438Z", "parts": [
		          null,
		          {"at": "2026-01-01T00:00:00Z", "from": "00000003-0000-0000-0000-000000000001", "last": "00000003-ffff-ffff-ffff-ffffffffffff"},
		          {"from": "00000004-0000-0000-0000-000000000000", "last": "ffffffff-ffff-ffff-ffff-ffffffffffff"}
		      ], "next_user": "00000000-0000-0000-0000-000000000000"}}}')
		RETURNING id`).Scan(&id)
	require.NoError(t, err)
	start(t, jobs)

	progress := await(t, jobs, id, "the rebuild ends", isCompleted)

	assert.EqualValues(t, 3+2, progress.UsersDone, "a user who was begun was counted when that was")
	assert.EqualValues(t, 30+3, progress.LogsDone)
	assert.EqualValues(t, 3+3*3, progress.RowsRepaired)
	assert.Len(t, pgtest.Drift(t, pool, time.UTC), 3*3, "those whom it had passed are left alone")
	job, err := jobs.Get(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, 2, job.Args.Workers)
	assert.Equal(t, "2026-01-01T00:00:00Z", job.Args.Scope.From.Format(time.RFC3339))
}
