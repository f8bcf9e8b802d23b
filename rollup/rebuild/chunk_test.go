package rebuild_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/retry"
	"learninglog/rollup/rebuild"
)

// Chunks are bounded by logs, not by users: a user with too many logs is cut at
// months. Nothing is read twice, left out, or compared with only a part of its logs.
func TestChunksAreBounded(t *testing.T) {
	t.Parallel()
	for name, clocks := range clocks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			counts := []int{1, 3, 400, 2, 0, 30, 300}
			var logs []command.Log
			for n, count := range counts {
				for i := range count {
					at := time.Date(2025, 8, 15, 27*i, 30, 0, 0, clocks[i%len(clocks)].Location())
					logs = append(logs, logAt(user(n), 1+i%7, at))
				}
			}
			// The same instant, in two months and two weeks.
			logs = append(logs, newLog(user(2), 3, "2026-06-01T00:30:00+14:00"), newLog(user(2), 4, "2026-05-31T10:30:00Z"))
			record(t, pool, logs...)
			const maxLogs, monthAtMost = 28, 31 // so that every month of the biggest user is a chunk
			options := rebuild.ChunkOptions{MaxLogs: maxLogs, DryRun: true}

			chunks := workAll(t, pool, rebuild.Scope{}, options)

			var sum rebuild.Chunk
			for _, chunk := range chunks {
				sum.Users += chunk.Users
				sum.Logs += chunk.Logs
				assert.LessOrEqual(t, chunk.Logs, int64(maxLogs+monthAtMost))
			}
			assert.Equal(t, int64(len(logs)), sum.Logs, "every log is in one chunk")
			assert.Equal(t, int64(6), sum.Users, "every user is counted once")
			assert.Empty(t, drifted(t, chunks), "no period is judged by a part of its logs")

			execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1`)
			wrong := pgtest.Drift(t, pool)
			found := drifted(t, workAll(t, pool, rebuild.Scope{}, options))
			assert.Len(t, found, len(wrong), "no period is left out, none is found twice")
			options.DryRun = false
			workAll(t, pool, rebuild.Scope{}, options)
			assert.Empty(t, pgtest.Drift(t, pool))
		})
	}
}

// A rebuild of a rollup without rows inserts them, and doesn't expect that somebody else does so
// meanwhile.
func TestRowsThatAWriterInsertsMeanwhileAreAddedTo(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(pgx.Tx, context.Context) error{"commits": pgx.Tx.Commit, "fails": pgx.Tx.Rollback} {
		t.Run("the writer "+name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(2), 5, "2026-11-22T08:00:00Z"))
			execute(t, pool, `TRUNCATE learning_log_aggregates`)
			ctx := context.Background()
			writer, err := pool.Begin(ctx)
			require.NoError(t, err)
			defer func() { _ = writer.Rollback(ctx) }()
			_, err = writer.Exec(ctx, `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp") VALUES ($1, $2, 7, '2026-11-22Z')`,
				uuid.New(), user(2))
			require.NoError(t, err)
			_, err = writer.Exec(ctx, `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-11-22', 7, 1), ($1, 'week', '2026-11-16', 7, 1), ($1, 'month', '2026-11-01', 7, 1)`,
				user(2))
			require.NoError(t, err)

			worked := make(chan []rebuild.Chunk)
			go func() {
				defer close(worked)
				worked <- workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{})
			}()
			require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) > 0 }, 30*time.Second, time.Millisecond)
			require.NoError(t, end(writer, ctx))

			assert.Len(t, drifted(t, <-worked), 6)
			assert.Empty(t, pgtest.Drift(t, pool))
		})
	}
}

func TestRebuildOfListedUsers(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	var logs []command.Log
	for n := range 20 {
		for i := range 1 + n*3 {
			logs = append(logs, command.Log{
				RequestID: uuid.New(), UserID: user(n), WordCount: 1,
				Timestamp: time.Date(2025, 1, 1+i*3, 8, 0, 0, 0, time.UTC),
			})
		}
	}
	record(t, pool, logs...)
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)
	execute(t, pool, `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-11-22', 5, 1)`, user(99))
	untouched := func(repaired ...int) int {
		drift := 0
		require.NoError(t, pool.QueryRow(context.Background(), `
			SELECT count(*) FROM learning_log_aggregates
			WHERE total_word_count <> entry_count AND user_id <> ALL($1)`, ids(repaired...)).Scan(&drift))
		return drift
	}
	before := untouched(3, 7, 19, 50, 99)

	scope := rebuild.Scope{Users: ids(19, 3, 99, 7, 50, 3)}.Normalized()
	chunks := workAll(t, pool, scope, rebuild.ChunkOptions{MaxLogs: 25})

	assert.Greater(t, len(chunks), 3)
	var counted int64
	for _, chunk := range chunks {
		counted += chunk.Users
	}
	assert.Equal(t, int64(3), counted, "the listed users who have logs")
	assert.Empty(t, drifted(t, workAll(t, pool, scope, rebuild.ChunkOptions{DryRun: true})))
	assert.Equal(t, before, untouched(3, 7, 19, 50, 99), "the others are left alone")
	assert.Len(t, pgtest.Drift(t, pool), before)
}

func TestRebuildOfWhoeverWasRecordedSince(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 4 {
		record(t, pool, newLog(user(n), 1, "2026-11-22T08:00:00Z"))
	}
	execute(t, pool, `UPDATE learning_log SET recorded_at = '2026-11-01Z' WHERE user_id = ANY($1)`, ids(0, 2))
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)
	since := instant("2026-11-20T00:00:00Z")

	found := drifted(t, workAll(t, pool, rebuild.Scope{RecordedSince: &since}, rebuild.ChunkOptions{}))
	assert.Len(t, found, 6)
	assert.Len(t, pgtest.Drift(t, pool), 6)

	found = drifted(t, workAll(t, pool, rebuild.Scope{RecordedSince: &since, Users: ids(0, 1)}, rebuild.ChunkOptions{DryRun: true}))
	assert.Empty(t, found)
}

func ids(users ...int) []uuid.UUID {
	list := make([]uuid.UUID, len(users))
	for i, n := range users {
		list[i] = user(n)
	}
	return list
}

// The parts together have every user exactly once.
func TestSplit(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	split := func(n int) (parts []rebuild.Part) {
		require.NoError(t, pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) (err error) {
			parts, err = rebuild.Split(context.Background(), tx, n)
			return err
		}))
		assert.Equal(t, uuid.Nil, parts[0].From)
		assert.Equal(t, uuid.Max, parts[len(parts)-1].Last)
		for i := 1; i < len(parts); i++ {
			assert.Less(t, parts[i-1].Last.String(), parts[i].From.String())
		}
		return parts
	}
	assert.Equal(t, []rebuild.Part{rebuild.Whole()}, split(1))
	assert.Equal(t, []rebuild.Part{rebuild.Whole()}, split(16), "nobody has logs")

	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), gen_random_uuid(), 1, '2026-11-22Z' FROM generate_series(1, 5000)`)
	parts := split(4)
	require.Len(t, parts, 4)
	var total int
	for _, part := range parts {
		var logs int
		require.NoError(t, pool.QueryRow(context.Background(),
			`SELECT count(*) FROM learning_log WHERE user_id BETWEEN $1 AND $2`, part.From, part.Last).Scan(&logs))
		assert.InDelta(t, 1250, logs, 125)
		total += logs
	}
	assert.Equal(t, 5000, total)
}

// The reads and writes of a rebuild without drift, by PostgreSQL's own counters.
func TestHealthyRebuildReadsTheIndexAlone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	const logs = 20_000
	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), md5((n % 100)::text)::uuid, 5, '2026-01-01Z'::timestamptz + n * interval '15 minutes'
		FROM generate_series(1, $1) AS n`, logs)
	workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{})
	pgtest.VacuumLogs(t, pool)
	before := readStatistics(t, pool)

	chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 3000})

	require.Empty(t, drifted(t, chunks))
	require.Greater(t, len(chunks), logs/3000)
	after := readStatistics(t, pool)
	assert.Equal(t, before.written, after.written, "nothing is written")
	assert.Equal(t, before.logsRead, after.logsRead, "no log is read from the table")
}

type statistics struct{ written, logsRead int64 }

func readStatistics(t *testing.T, pool *pgxpool.Pool) (found statistics) {
	t.Helper()
	// Every session reports its own counters, at the latest when it is asked to.
	for _, connection := range pool.AcquireAllIdle(context.Background()) {
		_, err := connection.Exec(context.Background(), `SELECT pg_stat_force_next_flush()`)
		require.NoError(t, err)
		_, err = connection.Exec(context.Background(), `SELECT 1`)
		require.NoError(t, err)
		connection.Release()
	}
	require.NoError(t, pool.QueryRow(context.Background(), `
		SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FILTER (WHERE relname LIKE 'learning_log%'),
		       sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FILTER (WHERE relname = 'learning_log')
		FROM pg_stat_user_tables`).Scan(&found.written, &found.logsRead))
	return found
}

// Writers, corruption and rebuilds run concurrently. When a pass of a rebuild ends,
// all users who weren't corrupted during it are right, while the writers continue.
func TestEveryPassIsExact(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	corruptions := []string{
		`UPDATE learning_log_aggregates SET total_word_count = total_word_count + 13 WHERE user_id = $1`,
		`UPDATE learning_log_aggregates SET entry_count = 0, total_word_count = 0 WHERE user_id = $1 AND granularity = 'day'`,
		`UPDATE learning_log_aggregates SET granularity = 'week' 
		 WHERE user_id = $1 AND granularity = 'month' AND extract(isodow FROM period) <> 1
		   AND NOT EXISTS (SELECT FROM learning_log_aggregates WHERE user_id = $1 AND granularity = 'week' AND extract(isodow FROM period) <> 1)`,
		`DELETE FROM learning_log_aggregates WHERE user_id = $1 AND granularity <> 'day'`,
		`DELETE FROM learning_log_aggregates WHERE user_id = $1`,
		`INSERT INTO learning_log_aggregates VALUES ($1, 'month', '1999-01-01', 9, 9), ($1, 'week', '2026-01-01', 1, 1) ON CONFLICT DO NOTHING`,
	}
	first := 0 // the first user of this case; every case has its own users
	written := int64(0)
	rapid.Check(t, func(t *rapid.T) {
		users := rapid.IntRange(2, 8).Draw(t, "users")
		writers := rapid.IntRange(1, 4).Draw(t, "writers")
		rebuilders := rapid.IntRange(1, 2).Draw(t, "rebuilders")
		maxLogs := rapid.IntRange(1, 60).Draw(t, "logs of a chunk")
		before := rapid.SliceOfN(rapid.IntRange(0, users*len(corruptions)-1), 0, 10).Draw(t, "corrupted before")
		during := rapid.SliceOfN(rapid.IntRange(0, users*len(corruptions)-1), 0, 3).Draw(t, "corrupted during")
		seed := rapid.Uint64().Draw(t, "seed")
		mine := ids()
		for n := range users + 2 { // the last two have no logs
			mine = append(mine, user(first+n))
		}
		first += len(mine)
		corrupt := func(what int) uuid.UUID {
			victim := mine[what/len(corruptions)]
			if what%7 == 0 {
				victim = mine[users+what%2]
			}
			require.NoError(t, retry.Conflicts(context.Background(), func() error {
				_, err := pool.Exec(context.Background(), corruptions[what%len(corruptions)], victim)
				return err
			}))
			return victim
		}

		scene := newScene(t, pool, mine[:users], writers, seed)
		defer scene.stop()
		for _, what := range before {
			corrupt(what)
		}
		for range rebuilders {
			scene.passes.Go(func() {
				workAll(t, pool, rebuild.Scope{Users: mine}, rebuild.ChunkOptions{MaxLogs: maxLogs})
			})
		}
		corrupted := make(map[uuid.UUID]bool)
		for _, what := range during {
			time.Sleep(time.Duration(rand.N(3_000)) * time.Microsecond)
			corrupted[corrupt(what)] = true
		}
		scene.passes.Wait()

		const few = 30 // so few logs that a chunk has no more drift than it keeps as examples
		for _, drift := range drifted(t, workAll(t, pool, rebuild.Scope{Users: mine}, rebuild.ChunkOptions{MaxLogs: few, DryRun: true})) {
			require.True(t, corrupted[drift.UserID], "%+v", drift)
		}
		scene.stop()
		written += scene.written.Load()
		workAll(t, pool, rebuild.Scope{Users: mine}, rebuild.ChunkOptions{MaxLogs: maxLogs})
	})
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Positive(t, written, "somebody wrote meanwhile")
}
