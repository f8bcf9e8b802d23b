package rebuild_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// insertOldJob inserts a job as an earlier version left it in the database: its
// arguments, its progress and its resume point.
func insertOldJob(t *testing.T, pool *pgxpool.Pool, queue, args, output, cursor string) (id int64) {
	t.Helper()
	metadata := fmt.Sprintf(`{"output": %s, "river:resumable_step": "chunks", "river:resumable_cursor": {"chunks": %s}}`, output, cursor)
	err := pool.QueryRow(t.Context(), `
		INSERT INTO river.river_job (state, kind, queue, max_attempts, args, metadata)
		VALUES ('available', 'rebuild', $1, 25, $2, $3)
		RETURNING id`, queue, args, metadata).Scan(&id)
	require.NoError(t, err)
	return id
}

// A job in the database survives an upgrade: its arguments and its resume point can
// be read as earlier versions wrote them, also those that named periods by instants.
func TestAJobOfAnEarlierVersionGoesOn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 6 {
		record(t, pool, newLog(user(n), 5, "2026-01-14T08:00:00Z"), newLog(user(n), 5, "2025-12-14T08:00:00Z"))
	}
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)
	jobs := newJobs(t, pool)
	id := insertOldJob(t, pool, "default",
		`{"scope": {"from": "2025-12-01T00:00:00Z", "to": "2026-01-31T23:59:59.999999Z"}, "workers": 2, "max_logs_per_second": 20000}`,
		`{"drifted": {"day": 2, "week": 1, "month": 0}, "seconds": 4.5, "logs_done": 30,
		  "users_done": 3, "rows_drifted": 3, "logs_expected": 60, "rows_repaired": 3,
		  "examples": [{"user_id": "00000001-0000-0000-0000-000000000001", "granularity": "week", "period": "2025-12-08T00:00:00Z",
		                "was": {"total_word_count": 1, "entry_count": 1}, "is": {"total_word_count": 5000, "entry_count": 1}}]}`,
		`{"begun": true, "began_at": "2026-11-25T13:23:48.310438Z", "parts": [
		      null,
		      {"at": "2026-01-01T00:00:00Z", "from": "00000003-0000-0000-0000-000000000001", "last": "00000003-ffff-ffff-ffff-ffffffffffff"},
		      {"from": "00000004-0000-0000-0000-000000000000", "last": "ffffffff-ffff-ffff-ffff-ffffffffffff"}
		  ], "next_user": "00000000-0000-0000-0000-000000000000"}`)

	waiting, err := jobs.Get(t.Context(), id)
	require.NoError(t, err)
	assert.Equal(t, rebuild.Scope{From: new(date("2025-12-01")), To: new(date("2026-01-31"))}, waiting.Args.Scope)
	assert.Equal(t, 2, waiting.Args.Workers)
	example := rebuild.Drift{
		UserID: user(1), Granularity: rollup.Week, Period: date("2025-12-08"),
		Was: rollup.Sums{TotalWordCount: 1, EntryCount: 1}, Is: rollup.Sums{TotalWordCount: 5000, EntryCount: 1},
	}
	assert.Equal(t, []rebuild.Drift{example}, waiting.Progress.Examples)

	start(t, jobs)
	progress := await(t, jobs, id, "the rebuild ends", isCompleted)

	assert.EqualValues(t, 3+2, progress.UsersDone, "a user who was begun was counted when that was")
	assert.EqualValues(t, 30+1+2*2, progress.LogsDone)
	assert.EqualValues(t, 3+3+2*6, progress.RowsRepaired)
	assert.Equal(t, example, progress.Examples[0], "what it had found is kept")
	assert.Len(t, pgtest.Drift(t, pool), 3*6+3, "those whom it had passed are left alone, and so are the months")
}

// A routine of an earlier version, in the middle of its round.
func TestARoutineOfAnEarlierVersionGoesOn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 6)
	for n := range 6 {
		corrupt(t, pool, n)
	}
	execute(t, pool, `UPDATE learning_log SET recorded_at = '2026-11-22 09:00:00Z' WHERE user_id = $1`, user(4))
	jobs := newJobs(t, pool)
	id := insertOldJob(t, pool, "routine",
		`{"scope": {}, "routine": true, "sample_logs": 3, "dry_run": true, "max_logs_per_second": 20000}`,
		`{"drifted": {"day": 1, "week": 1, "month": 1}, "seconds": 4.5, "logs_done": 1, "users_done": 1, "rows_drifted": 3,
		  "logs_expected": 0, "rows_repaired": 0, "examples": null}`,
		`{"begun": true, "began_at": "2026-11-25T13:23:48.310438Z", "parts": [
		      {"from": "00000001-0000-0000-0000-000000000001", "last": "ffffffff-ffff-ffff-ffff-ffffffffffff",
		       "sample": {"logs": 2, "recorded_since": "2026-11-22T08:55:00Z", "users": ["00000005-0000-0000-0000-000000000001"]}}
		  ], "next_user": "00000000-0000-0000-0000-000000000000"}`)
	start(t, jobs)

	progress := await(t, jobs, id, "the routine ends", isCompleted)

	assert.Equal(t, []int{1, 2, 4, 5}, usersOf(progress), "the rest of the sample, who was active, and who had drifted")
	assert.EqualValues(t, 1+4, progress.UsersDone)
	assert.EqualValues(t, 3+4*3, progress.RowsDrifted)
	var next uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT next_user FROM learning_log_verifications WHERE verification = 'routine'`).Scan(&next))
	assert.Equal(t, user(3), next, "the next goes on after the sample")
}
