package rebuild_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// void voids the latest log of a user, and leaves the rollups as they are.
func void(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	execute(t, pool, `
		UPDATE learning_log SET voided_at = now(), changed_at = now()
		WHERE user_id = $1 AND "timestamp" = (SELECT max("timestamp") FROM learning_log WHERE user_id = $1)`, user(n))
}

// The truth is the logs that aren't voided.
func TestVoidedLogsDoNotCount(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool,
		newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(1), 7, "2026-11-20T08:00:00Z"),
		newLog(user(2), 5, "2026-11-22T08:00:00Z"))
	void(t, pool, 1)
	void(t, pool, 2)

	chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{})

	both, one := rollup.Sums{TotalWordCount: 17, EntryCount: 2}, rollup.Sums{TotalWordCount: 7, EntryCount: 1}
	ten, five := rollup.Sums{TotalWordCount: 10, EntryCount: 1}, rollup.Sums{TotalWordCount: 5, EntryCount: 1}
	sunday, monday, first := date("2026-11-22"), date("2026-11-16"), date("2026-11-01")
	assert.Equal(t, []rebuild.Drift{
		{UserID: user(1), Granularity: rollup.Day, Period: sunday, Was: ten},
		{UserID: user(1), Granularity: rollup.Month, Period: first, Was: both, Is: one},
		{UserID: user(1), Granularity: rollup.Week, Period: monday, Was: both, Is: one},
		{UserID: user(2), Granularity: rollup.Day, Period: sunday, Was: five},
		{UserID: user(2), Granularity: rollup.Month, Period: first, Was: five},
		{UserID: user(2), Granularity: rollup.Week, Period: monday, Was: five},
	}, drifted(t, chunks))
	assert.Equal(t, int64(1), logsOf(chunks), "voided logs aren't compared")
	assert.Equal(t, int64(1), chunks[0].Users, "nor is who has no others")
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Len(t, rows(t, pool), 3, "rows without logs are swept")
}

// A rollup that counts a log until it is voided, and not afterwards, is right all the
// time.
func TestVoidedLogsThatWereSubtractedAreNoDrift(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(1), 7, "2026-11-22T23:00:00-12:00"))
	execute(t, pool, `
		WITH voided AS (
		    UPDATE learning_log SET voided_at = now(), changed_at = now() WHERE word_count = 7
		    RETURNING user_id, "timestamp", utc_offset, -word_count AS words, -1 AS entries
		)`+rollup.AddSQL(rollup.SumsSQL("voided")))

	chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{DryRun: true})

	assert.Empty(t, drifted(t, chunks))
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Equal(t, int64(1), logsOf(chunks))
}

// Voided logs don't use up the room of a chunk, and don't move where a user is cut.
func TestVoidedLogsDoNotCutAUser(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", voided_at, changed_at)
		SELECT gen_random_uuid(), $1, 1, '2024-01-10Z'::timestamptz + month * interval '1 month', now(), now()
		FROM generate_series(0, 23) AS month, generate_series(1, 10)`, user(1))
	record(t, pool, newLog(user(1), 1, "2024-03-10T08:00:00Z"), newLog(user(1), 1, "2025-03-10T08:00:00Z"))

	chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 2})

	require.NotEmpty(t, chunks)
	assert.Equal(t, int64(2), chunks[0].Logs, "both are in one chunk")
	assert.Equal(t, int64(2), logsOf(chunks))
	assert.Empty(t, drifted(t, chunks))
}

// Voiding and re-zoning change no recorded_at.
func TestRebuildOfWhoeverChangedSince(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 5)
	void(t, pool, 1)
	execute(t, pool, `UPDATE learning_log SET utc_offset = -720, changed_at = now() WHERE user_id = $1`, user(2))
	void(t, pool, 3)
	execute(t, pool, `
		UPDATE learning_log SET voided_at = now() - interval '1 month', changed_at = now() - interval '1 month'
		WHERE user_id = $1`, user(3))
	drift := pgtest.Drift(t, pool)
	require.Len(t, drift, 3+2+3, "the log of user 2 was moved to the day before")
	since := time.Now().Add(-time.Hour)

	listed := workAll(t, pool, rebuild.Scope{RecordedSince: &since, Users: ids(0, 1, 3)}, rebuild.ChunkOptions{DryRun: true})
	assert.Equal(t, []int{1}, usersOf(rebuild.Progress{Examples: drifted(t, listed)}), "of those who are listed")

	repaired := workAll(t, pool, rebuild.Scope{RecordedSince: &since}, rebuild.ChunkOptions{})
	assert.Equal(t, []int{1, 2}, usersOf(rebuild.Progress{Examples: drifted(t, repaired)}))
	assert.Len(t, pgtest.Drift(t, pool), 3, "what changed before is left alone")
}

// A routine looks at users whose logs were voided or re-zoned since the last one began,
// though nothing was recorded.
func TestRoutineLooksAtWhoeverChanged(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 10)
	jobs := newJobs(t, pool)
	start(t, jobs)
	assert.Equal(t, int64(1), routine(t, jobs, 1).UsersDone, "the first has only a sample")
	void(t, pool, 4)
	execute(t, pool, `UPDATE learning_log SET utc_offset = 840, changed_at = now() WHERE user_id = $1`, user(7))
	execute(t, pool, `
		UPDATE learning_log SET voided_at = now() - interval '1 hour', changed_at = now() - interval '1 hour'
		WHERE user_id = $1`, user(8))

	progress := routine(t, jobs, 0)

	assert.Equal(t, int64(1), progress.UsersDone, "who has no logs left isn't counted")
	assert.Equal(t, int64(1), progress.LogsDone)
	assert.Equal(t, []int{4}, usersOf(progress), "at 14 hours ahead of UTC, the day of 7 is the same")
	assert.Len(t, pgtest.Drift(t, pool), 3+3, "8 changed before the last routine")

	corrupt(t, pool, 7)
	assert.Equal(t, []int{4, 7}, usersOf(routine(t, jobs, 0)), "within the margin, it looks at them again")
}
