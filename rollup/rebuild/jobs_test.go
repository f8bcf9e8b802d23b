package rebuild_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

// newJobs returns a queue whose chunks have one log each.
func newJobs(t *testing.T, pool *pgxpool.Pool) *rebuild.Jobs {
	t.Helper()
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{
		Schema:    postgres.RiverSchema,
		ChunkLogs: 1,
		Logger:    slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return jobs
}

func start(t *testing.T, jobs *rebuild.Jobs) {
	t.Helper()
	require.NoError(t, jobs.Start(context.Background()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		assert.NoError(t, jobs.Stop(ctx))
	})
}

func insert(t *testing.T, jobs *rebuild.Jobs, args rebuild.Args) *rivertype.JobInsertResult {
	t.Helper()
	inserted, err := jobs.Client().Insert(context.Background(), args, nil)
	require.NoError(t, err)
	return inserted
}

// await returns a job and its progress as soon as condition holds.
func await(
	t *testing.T, jobs *rebuild.Jobs, id int64, what string, condition func(*rivertype.JobRow, rebuild.Progress) bool,
) rebuild.Progress {
	t.Helper()
	var (
		job      *rivertype.JobRow
		progress rebuild.Progress
	)
	require.Eventually(t, func() bool {
		var err error
		job, err = jobs.Client().JobGet(context.Background(), id)
		if err != nil {
			return false
		}
		progress = rebuild.Progress{}
		if output := job.Output(); len(output) > 0 && json.Unmarshal(output, &progress) != nil {
			return false
		}
		return condition(job, progress)
	}, 2*time.Minute, 10*time.Millisecond, "%s", what)
	return progress
}

func isCompleted(job *rivertype.JobRow, _ rebuild.Progress) bool {
	return job.State == rivertype.JobStateCompleted
}

func TestRebuildJob(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 10 {
		record(t, pool, newLog(user(n), 10, "2026-11-22T08:00:00Z"))
	}
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0 WHERE granularity = 'day'`)
	jobs := newJobs(t, pool)
	start(t, jobs)

	verify := insert(t, jobs, rebuild.Args{DryRun: true})
	progress := await(t, jobs, verify.Job.ID, "the verification ends", isCompleted)
	assert.Equal(t, int64(10), progress.UsersDone)
	assert.Equal(t, int64(10), progress.LogsDone)
	assert.Equal(t, int64(10), progress.RowsDrifted)
	assert.Zero(t, progress.RowsRepaired)
	assert.Len(t, progress.Examples, 10)
	assert.Len(t, pgtest.Drift(t, pool), 10, "it repaired nothing")

	repair := insert(t, jobs, rebuild.Args{})
	progress = await(t, jobs, repair.Job.ID, "the rebuild ends", isCompleted)
	assert.Equal(t, int64(10), progress.RowsRepaired)
	assert.Empty(t, pgtest.Drift(t, pool))

	again := insert(t, jobs, rebuild.Args{})
	assert.NotEqual(t, repair.Job.ID, again.Job.ID, "a rebuild that has ended doesn't keep another from being asked for")
	progress = await(t, jobs, again.Job.ID, "the second rebuild ends", isCompleted)
	assert.Zero(t, progress.RowsDrifted)
}

// A crash between the last chunk and the end of the job would repeat the whole
// rebuild.
func TestRebuildJobEndsTogetherWithItsLastChunk(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(2), 10, "2026-11-22T08:00:00Z"))
	execute(t, pool, `
		CREATE TABLE ends (state text, users_done text);
		CREATE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
		    INSERT INTO ends
		    SELECT state, metadata #>> '{output,users_done}' FROM `+postgres.RiverSchema+`.river_job
		    WHERE id = NEW.rebuild_id;
		    RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER note_end AFTER INSERT ON learning_log_verifications
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_end()`) // as the last chunk is committed
	jobs := newJobs(t, pool)
	start(t, jobs)

	id := insert(t, jobs, rebuild.Args{}).Job.ID
	await(t, jobs, id, "the rebuild ends", isCompleted)

	rows, err := pool.Query(context.Background(), `SELECT state || ' ' || users_done FROM ends`)
	require.NoError(t, err)
	ends, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	assert.Equal(t, []string{"completed 2"}, ends)
}

// Somebody who retries a rebuild with River's own tools wants to know the current
// state.
func TestRebuildJobThatIsTriedAgainAfterItsEndBeginsAnew(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(2), 10, "2026-11-22T08:00:00Z"))
	jobs := newJobs(t, pool)
	start(t, jobs)
	id := insert(t, jobs, rebuild.Args{}).Job.ID
	progress := await(t, jobs, id, "the rebuild ends", isCompleted)
	require.Zero(t, progress.RowsDrifted)
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)

	_, err := jobs.Client().JobRetry(context.Background(), id)
	require.NoError(t, err)

	progress = await(t, jobs, id, "it ends again", func(job *rivertype.JobRow, _ rebuild.Progress) bool {
		return job.State == rivertype.JobStateCompleted && job.Attempt == 2
	})
	assert.Equal(t, int64(2), progress.LogsDone, "it counts anew")
	assert.Equal(t, int64(6), progress.RowsRepaired)
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestRebuildJobIsUniquePerScope(t *testing.T) {
	t.Parallel()
	jobs := newJobs(t, pgtest.Pool(t)) // not started, so jobs stay available
	one, other, from, since := user(1), user(2), date("2026-11-01"), instant("2026-11-01T00:00:00Z")
	scopes := []rebuild.Args{
		{},
		{DryRun: true},
		{Scope: rebuild.Scope{Users: []uuid.UUID{one}}},
		{Scope: rebuild.Scope{Users: []uuid.UUID{other}}},
		{Scope: rebuild.Scope{From: &from}},
		{Scope: rebuild.Scope{To: &from}},
		{Scope: rebuild.Scope{RecordedSince: &since}},
	}
	ids := make(map[int64]bool)
	for _, args := range scopes {
		first, second := insert(t, jobs, args), insert(t, jobs, args)
		assert.False(t, first.UniqueSkippedAsDuplicate, "%+v", args)
		assert.Equal(t, first.Job.ID, second.Job.ID, "%+v", args)
		ids[first.Job.ID] = true
	}
	assert.Len(t, ids, len(scopes))
}

// A deployment: the process that works on a rebuild stops, and another continues
// with the next chunk. Nothing is done twice.
func TestRebuildJobIsHandedOn(t *testing.T) {
	t.Parallel()
	const users = 30
	pool := pgtest.Pool(t)
	for n := range users {
		execute(t, pool, `
			INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
			VALUES (gen_random_uuid(), $1, 1, '2026-11-22Z')`, user(n))
	}
	// The last user's chunk has to wait for this row, so the job can't end.
	execute(t, pool, `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-11-22', 5, 5)`, user(users-1))
	blocker, err := pool.Begin(context.Background())
	require.NoError(t, err)
	_, err = blocker.Exec(context.Background(), `UPDATE learning_log_aggregates SET entry_count = entry_count`)
	require.NoError(t, err)
	leaving := newJobs(t, pool)
	require.NoError(t, leaving.Start(context.Background()))
	id := insert(t, leaving, rebuild.Args{}).Job.ID
	await(t, leaving, id, "the first chunks are done", func(_ *rivertype.JobRow, progress rebuild.Progress) bool {
		return progress.UsersDone > 2
	})

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, leaving.Stop(ctx))

	job, err := leaving.Client().JobGet(context.Background(), id)
	require.NoError(t, err)
	require.Equal(t, rivertype.JobStateAvailable, job.State, "it is there for the taking")
	require.Empty(t, job.Errors)

	require.NoError(t, blocker.Rollback(context.Background()))
	coming := newJobs(t, pool)
	start(t, coming)
	progress := await(t, coming, id, "the rebuild ends", isCompleted)
	assert.Equal(t, int64(users), progress.UsersDone, "no chunk was done twice, none was left out")
	assert.Equal(t, int64(3*users), progress.RowsRepaired)
	assert.Empty(t, pgtest.Drift(t, pool))
}

// A crash: River calls the job running, but its process has died.
func TestRebuildJobIsRescued(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"))
	jobs := newJobs(t, pool)
	id := insert(t, jobs, rebuild.Args{}).Job.ID
	execute(t, pool, `
		UPDATE river.river_job SET state = 'running', attempt = 1, attempted_by = ARRAY['gone'],
		       attempted_at = now() - interval '1 minute' WHERE id = $1`, id)

	start(t, jobs)

	await(t, jobs, id, "the rebuild ends", isCompleted)
}

func TestRescueLeavesRebuildsThatAreBeingWorked(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(2), 10, "2026-11-22T08:00:00Z"))
	// The second chunk has to wait for this row.
	blocker, err := pool.Begin(context.Background())
	require.NoError(t, err)
	_, err = blocker.Exec(context.Background(), `UPDATE learning_log_aggregates SET total_word_count = 0 WHERE user_id = $1`, user(2))
	require.NoError(t, err)
	execute(t, pool, `DELETE FROM learning_log_aggregates WHERE user_id = $1`, user(1))
	_, err = pool.Exec(context.Background(), `UPDATE learning_log SET word_count = 11 WHERE user_id = $1`, user(2))
	require.NoError(t, err)

	jobs := newJobs(t, pool)
	start(t, jobs)
	id := insert(t, jobs, rebuild.Args{}).Job.ID
	await(t, jobs, id, "the job is being worked", func(job *rivertype.JobRow, _ rebuild.Progress) bool {
		return job.State == rivertype.JobStateRunning
	})
	waitForLock(t, pool)
	execute(t, pool, `UPDATE river.river_job SET attempted_at = now() - interval '1 hour' WHERE id = $1`, id)

	rescued, err := jobs.Rescue(context.Background())
	require.NoError(t, err)
	assert.Zero(t, rescued, "it runs, however long it takes")

	require.NoError(t, blocker.Rollback(context.Background()))
	await(t, jobs, id, "the rebuild ends", isCompleted)
	assert.Empty(t, pgtest.Drift(t, pool))
}

// waitForLock returns when a session waits for a row.
func waitForLock(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) > 0 }, 10*time.Second, 10*time.Millisecond)
}

func TestRebuildJobKeepsTheWorstExamplesAndCountsAll(t *testing.T) {
	t.Parallel()
	const rows = rebuild.MaxExamples + 10
	pool := pgtest.Pool(t)
	execute(t, pool, `
		INSERT INTO learning_log_aggregates (user_id, granularity, period, total_word_count, entry_count)
		SELECT gen_random_uuid(), 'day', '2026-11-22', n, 1 FROM generate_series(1, $1) AS n`, rows)
	for _, chunkLogs := range []int{1, rebuild.DefaultChunkLogs} {
		jobs, err := rebuild.NewJobs(pool, rebuild.Config{
			Schema: postgres.RiverSchema, ChunkLogs: chunkLogs, Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		require.NoError(t, jobs.Start(context.Background()))

		id := insert(t, jobs, rebuild.Args{DryRun: true}).Job.ID

		progress := await(t, jobs, id, "the verification ends", isCompleted)
		require.NoError(t, jobs.Stop(context.Background()))
		assert.Equal(t, int64(rows), progress.RowsDrifted)
		require.Len(t, progress.Examples, rebuild.MaxExamples)
		for i, example := range progress.Examples {
			assert.Equal(t, int64(rows-i), example.Was.TotalWordCount)
		}
	}
}

// Workers share a rebuild: each user is in one chunk, whichever worker processes it.
func TestRebuildJobWithSeveralWorkers(t *testing.T) {
	t.Parallel()
	const users = 100
	pool := pgtest.Pool(t)
	var logs []command.Log
	for n := range users {
		logs = append(logs, newLog(user(n), 10, "2026-11-22T08:00:00Z"), newLog(user(n), 10, "2026-10-22T08:00:00Z"))
	}
	record(t, pool, logs...)
	execute(t, pool, `ANALYZE learning_log`)
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0 WHERE granularity = 'day'`)
	jobs := newJobs(t, pool)
	start(t, jobs)

	id := insert(t, jobs, rebuild.Args{Workers: 4}).Job.ID

	progress := await(t, jobs, id, "the rebuild ends", isCompleted)
	assert.Equal(t, int64(users), progress.UsersDone)
	assert.Equal(t, int64(2*users), progress.LogsDone)
	assert.InDelta(t, 2*users, progress.LogsExpected, 10, "an estimate never expects that a table is empty")
	assert.Equal(t, int64(2*users), progress.RowsRepaired)
	assert.Equal(t, rebuild.DriftedRows{Day: 2 * users}, progress.Drifted)
	assert.Positive(t, progress.LogsPerSecond())
	assert.Empty(t, pgtest.Drift(t, pool))
}

// The pace limits the logs that are read, including those that are not in scope.
func TestRebuildJobKeepsItsPace(t *testing.T) {
	t.Parallel()
	const users, perSecond = 60, 30
	const log = `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), gen_random_uuid(), 1, '2026-11-22Z' FROM generate_series(1, $1)`
	earlier := date("2025-02-10")
	for _, test := range []struct {
		name, given string
		scope       rebuild.Scope
		logs        int64
	}{
		{"everything", log, rebuild.Scope{}, users},
		{"a day without logs", log, rebuild.Scope{From: &earlier, To: &earlier}, 0},
		{"rows without logs", `
			INSERT INTO learning_log_aggregates
			SELECT gen_random_uuid(), granularity, '2026-11-01', 1, 1
			FROM unnest(enum_range(NULL::learning_log_granularity)) AS granularity, generate_series(1, $1)`, rebuild.Scope{}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			execute(t, pool, test.given, users)
			jobs := newJobs(t, pool)
			start(t, jobs)
			begun := time.Now()

			id := insert(t, jobs, rebuild.Args{
				Scope: test.scope, DryRun: true, Workers: 2, MaxLogsPerSecond: perSecond,
			}).Job.ID

			progress := await(t, jobs, id, "the verification ends", isCompleted)
			const ahead = 2 // there is no pause after the last chunk of each worker
			assert.GreaterOrEqual(t, time.Since(begun), (users-ahead)*time.Second/perSecond)
			assert.Equal(t, test.logs, progress.LogsDone)
		})
	}
}

func TestRebuildJobShowsTheWorst(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 5 {
		record(t, pool, newLog(user(n), 10, "2026-11-22T08:00:00Z"))
	}
	execute(t, pool, `
		UPDATE learning_log_aggregates SET total_word_count = CASE WHEN user_id = $1 THEN 1000 WHEN user_id = $2 THEN -9223372036854775808 ELSE 11 END
		WHERE granularity = 'day'`, user(3), user(2))
	jobs := newJobs(t, pool)
	start(t, jobs)

	progress := await(t, jobs, insert(t, jobs, rebuild.Args{DryRun: true}).Job.ID, "the verification ends", isCompleted)

	require.Len(t, progress.Examples, 5)
	assert.Equal(t, user(2), progress.Examples[0].UserID)
	assert.Equal(t, user(3), progress.Examples[1].UserID)
}

func TestProgressRemaining(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		progress rebuild.Progress
		left     time.Duration
		known    bool
	}{
		{rebuild.Progress{LogsDone: 300, LogsExpected: 1000, Seconds: 3}, 7 * time.Second, true},
		{rebuild.Progress{LogsDone: 1100, LogsExpected: 1000, Seconds: 3}, 0, true},
		{rebuild.Progress{LogsDone: 300, Seconds: 3}, 0, false},
		{rebuild.Progress{LogsExpected: 1000, Seconds: 3}, 0, false},
		{rebuild.Progress{LogsExpected: 1000}, 0, false},
	} {
		left, known := test.progress.Remaining()
		assert.Equal(t, test.left, left, "%+v", test.progress)
		assert.Equal(t, test.known, known, "%+v", test.progress)
	}
}
