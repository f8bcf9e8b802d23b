package rebuild_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
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
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// user returns the n-th user id in key order.
func user(n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint32(id[:], uint32(n))
	id[15] = 1
	return id
}

func record(t require.TestingT, pool *pgxpool.Pool, logs ...command.Log) {
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), MaxWaiting: len(logs)})
	for _, outcome := range recorder.Record(context.Background(), logs) {
		require.Equal(t, command.Recorded, outcome.Status)
	}
}

// newLog returns a log of a learner whose clock shows at.
func newLog(userID uuid.UUID, words int, at string) command.Log {
	return logAt(userID, words, instant(at))
}

// logAt returns a log of a learner whose clock has the offset of at.
func logAt(userID uuid.UUID, words int, at time.Time) command.Log {
	return command.Log{RequestID: uuid.New(), UserID: userID, WordCount: words, Timestamp: at, Zone: at.Location()}
}

// workAll works through a whole scope, chunk by chunk, and returns the chunks.
func workAll(t require.TestingT, pool *pgxpool.Pool, scope rebuild.Scope, options rebuild.ChunkOptions) []rebuild.Chunk {
	return workPart(t, pool, scope, rebuild.Whole(), options)
}

func workPart(
	t require.TestingT, pool *pgxpool.Pool, scope rebuild.Scope, whole rebuild.Part, options rebuild.ChunkOptions,
) []rebuild.Chunk {
	if options.MaxLogs == 0 {
		options.MaxLogs = rebuild.DefaultChunkLogs
	}
	ctx := context.Background()
	var chunks []rebuild.Chunk
	for part := &whole; part != nil; {
		var chunk rebuild.Chunk
		err := retry.Conflicts(ctx, func() error {
			return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) (err error) {
				chunk, err = rebuild.WorkChunk(ctx, tx, scope, *part, options)
				return err
			})
		})
		require.NoError(t, err)
		chunks = append(chunks, chunk)
		part = chunk.Rest
	}
	return chunks
}

// drifted returns all drift in chunks in key order. The chunks must have so little
// drift that all of it is in the examples.
func drifted(t require.TestingT, chunks []rebuild.Chunk) []rebuild.Drift {
	var (
		all   []rebuild.Drift
		count rebuild.DriftedRows
	)
	for _, chunk := range chunks {
		all = append(all, chunk.Examples...)
		count.Day += chunk.Drifted.Day
		count.Week += chunk.Drifted.Week
		count.Month += chunk.Drifted.Month
	}
	require.Len(t, all, int(count.Day+count.Week+count.Month))
	slices.SortFunc(all, func(a, b rebuild.Drift) int {
		return cmp.Or(
			bytes.Compare(a.UserID[:], b.UserID[:]),
			cmp.Compare(a.Granularity, b.Granularity),
			cmp.Compare(a.Period, b.Period))
	})
	return all
}

func execute(t require.TestingT, pool *pgxpool.Pool, statement string, arguments ...any) {
	_, err := pool.Exec(context.Background(), statement, arguments...)
	require.NoError(t, err)
}

// rows returns the rollup with the physical location of every row. Every write
// changes that, even one that changes no value.
func rows(t require.TestingT, pool *pgxpool.Pool) []string {
	result, err := pool.Query(context.Background(), `
		SELECT format('%s %s %s', ctid, xmin, a) FROM learning_log_aggregates AS a ORDER BY user_id, granularity, period`)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(result, pgx.RowTo[string])
	require.NoError(t, err)
	return texts
}

func TestRebuildOfHealthyDataWritesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 20 {
		record(t, pool, newLog(user(n), n, "2026-11-22T08:00:00Z"), newLog(user(n), 5, "2026-10-01T08:00:00Z"))
	}
	before := rows(t, pool)

	chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 6})

	assert.Empty(t, drifted(t, chunks))
	assert.Equal(t, before, rows(t, pool), "every row is where it was")
	assert.Greater(t, len(chunks), 3, "it took several chunks")
}

func TestRebuildRepairsEveryKindOfDrift(t *testing.T) {
	t.Parallel()
	nobody := user(99)
	for _, test := range []struct {
		name, corruption string
		arguments        []any
		rows             int
	}{
		{"changed sums", `UPDATE learning_log_aggregates SET total_word_count = 0`, nil, 8},
		{"changed counts", `UPDATE learning_log_aggregates SET entry_count = entry_count + 7 WHERE granularity = 'week'`, nil, 3},
		{"deleted rows", `DELETE FROM learning_log_aggregates WHERE granularity <> 'month'`, nil, 7},
		{"all rows deleted", `TRUNCATE learning_log_aggregates`, nil, 10},
		{"an invented period", `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2020-02-02', 5, 1)`, []any{user(1)}, 1},
		{"dates that start no period", `INSERT INTO learning_log_aggregates VALUES ($1, 'week', '2026-11-18', 5, 1), ($1, 'month', '2026-11-02', 5, 1)`, []any{user(1)}, 2},
		{"a user without logs", `INSERT INTO learning_log_aggregates VALUES ($1, 'month', '2026-11-01', 5, 1)`, []any{nobody}, 1},
		{"the first and the last user id", `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-11-01', 5, 1), ($2, 'day', '2026-11-01', 5, 1)`, []any{uuid.Nil, uuid.Max}, 2},
		{"a wrong granularity", `UPDATE learning_log_aggregates SET granularity = 'week' WHERE granularity = 'month' AND user_id = $1`, []any{user(1)}, 4},
		{"negative sums", `UPDATE learning_log_aggregates SET total_word_count = -5, entry_count = -1 WHERE granularity = 'day'`, nil, 4},
		{"the least that a bigint holds", `UPDATE learning_log_aggregates SET total_word_count = -9223372036854775808`, nil, 10},
		{"the most that a bigint holds", `UPDATE learning_log_aggregates SET entry_count = 9223372036854775807`, nil, 10},
		{"logs behind the service's back", `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp") VALUES (gen_random_uuid(), $1, 3, '2026-11-22Z')`, []any{nobody}, 3},
		{"logs deleted", `DELETE FROM learning_log WHERE user_id = $1`, []any{user(2)}, 3},
		{"logs voided", `UPDATE learning_log SET voided_at = now(), changed_at = now() WHERE user_id = $1`, []any{user(2)}, 3},
		{"logs of another clock", `UPDATE learning_log SET utc_offset = -720, changed_at = now() WHERE user_id = $1`, []any{user(1)}, 7},
	} {
		for _, maxLogs := range []int{1, rebuild.DefaultChunkLogs} {
			t.Run(fmt.Sprintf("%s, chunks of %d", test.name, maxLogs), func(t *testing.T) {
				t.Parallel()
				pool := pgtest.Pool(t)
				record(t, pool,
					newLog(user(1), 10, "2026-11-22T08:00:00Z"),
					newLog(user(1), 20, "2026-11-01T08:00:00Z"),
					newLog(user(1), 0, "2026-10-31T08:00:00Z"),
					newLog(user(2), 5, "2026-11-22T08:00:00Z"),
				)
				execute(t, pool, test.corruption, test.arguments...)
				corrupted := rows(t, pool)

				found := drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: maxLogs, DryRun: true}))
				require.Len(t, found, test.rows, "the dry run reports every row")
				require.Len(t, pgtest.Drift(t, pool), test.rows)
				require.Equal(t, corrupted, rows(t, pool), "the dry run changes nothing")

				repaired := drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: maxLogs}))
				assert.Equal(t, found, repaired)
				assert.Empty(t, pgtest.Drift(t, pool))
				assert.Empty(t, drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: maxLogs})))
				var empty int
				require.NoError(t, pool.QueryRow(context.Background(),
					`SELECT count(*) FROM learning_log_aggregates WHERE entry_count = 0`).Scan(&empty))
				assert.Zero(t, empty, "rows without logs are swept")
			})
		}
	}
}

func TestRebuildReportsWhatWasAndWhatIs(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 10, "2026-11-22T08:00:00Z"), newLog(user(1), 7, "2026-11-22T09:00:00Z"))
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 1 WHERE granularity = 'week'`)

	chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{})

	require.Len(t, chunks, 1)
	assert.Equal(t, int64(1), chunks[0].Users)
	assert.Equal(t, int64(2), chunks[0].Logs)
	assert.Equal(t, []rebuild.Drift{{
		UserID:      user(1),
		Granularity: rollup.Week,
		Period:      date("2026-11-16"),
		Was:         rollup.Sums{TotalWordCount: 1, EntryCount: 2},
		Is:          rollup.Sums{TotalWordCount: 17, EntryCount: 2},
	}}, chunks[0].Examples)
}

func TestRebuildOfOneUserLeavesTheOthers(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 3 {
		record(t, pool, newLog(user(n), 10, "2026-11-22T08:00:00Z"))
	}
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)

	one := user(1)
	repaired := drifted(t, workAll(t, pool, rebuild.Scope{Users: []uuid.UUID{one}}, rebuild.ChunkOptions{}))

	assert.Len(t, repaired, 3)
	assert.Len(t, pgtest.Drift(t, pool), 6)
}

// A week or a month must not be compared with only a part of its logs.
func TestRebuildOfARangeTakesWholePeriods(t *testing.T) {
	t.Parallel()
	for name, clocks := range clocks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			first, days := date("2025-09-01"), 85
			var logs []command.Log
			for n := range days * 24 / 5 {
				at := time.Date(2025, 9, 1, 5*n, 30, 0, 0, clocks[n%len(clocks)].Location())
				logs = append(logs, logAt(user(1), 1+n%7, at))
			}
			record(t, pool, logs...)
			require.Empty(t, pgtest.Drift(t, pool))

			rapid.Check(t, func(t *rapid.T) {
				from := first + rollup.Date(rapid.IntRange(-4, days+4).Draw(t, "from"))
				to := from + rollup.Date(rapid.IntRange(0, 40).Draw(t, "days"))
				scope := rebuild.Scope{From: &from, To: &to}
				switch rapid.IntRange(0, 3).Draw(t, "open ends") {
				case 1:
					scope.From = nil
				case 2:
					scope.To = nil
				}
				maxLogs := rapid.SampledFrom([]int{1, 50, rebuild.DefaultChunkLogs}).Draw(t, "logs of a chunk")
				found := drifted(t, workAll(t, pool, scope, rebuild.ChunkOptions{MaxLogs: maxLogs, DryRun: true}))
				require.Empty(t, found, "from %v to %v", scope.From, scope.To)
			})

			// The week of Wednesday, 2025-11-05, with its month and its day, and
			// nothing else.
			execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)
			wednesday := date("2025-11-05")
			repaired := drifted(t, workAll(t, pool, rebuild.Scope{From: &wednesday, To: &wednesday}, rebuild.ChunkOptions{}))
			assert.Equal(t, []string{"day 2025-11-05", "month 2025-11-01", "week 2025-11-03"}, periodsOf(repaired))
		})
	}
}

// Two rebuilds that find the same drift must not both add the difference.
func TestRebuildsTakeTurns(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for n := range 10 {
		record(t, pool, newLog(user(n), 10, "2026-11-22T08:00:00Z"))
	}
	for round := range 20 {
		execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + $1`, round+1)
		var rebuilders sync.WaitGroup
		for range 4 {
			rebuilders.Go(func() { workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 3}) })
		}
		rebuilders.Wait()
		require.Empty(t, pgtest.Drift(t, pool), "round %d", round)
	}
}

// The main theorem: a rebuild adds differences, so what a writer commits during the
// rebuild is neither lost nor counted twice. There is drift only at the beginning.
// No rebuild runs after the last write, because it would hide what an earlier one
// broke.
func TestRebuildIsExactWhileWritersWrite(t *testing.T) {
	t.Parallel()
	const (
		users   = 4
		writers = 4
		rounds  = 25
	)
	pool := pgtest.Pool(t)
	ctx := context.Background()
	for n := range users {
		for day := 1; day <= 28; day++ {
			record(t, pool, newLog(user(n), 1, fmt.Sprintf("2026-02-%02dT08:00:00Z", day)))
		}
	}

	for round := range rounds {
		execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 7`)
		var stop atomic.Bool
		var group sync.WaitGroup
		for writer := range writers {
			group.Go(func() {
				recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
				random := rand.New(rand.NewPCG(uint64(round), uint64(writer)))
				for !stop.Load() {
					at := time.Date(2026, 2, 1+random.IntN(28), random.IntN(24), 0, 0, 0, randomClock(random))
					log := logAt(user(random.IntN(users)), 1, at)
					if outcome := recorder.Record(ctx, []command.Log{log})[0]; !assert.NoError(t, outcome.Err) {
						return
					}
				}
			})
		}
		repaired := drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 50}))
		stop.Store(true)
		group.Wait()

		require.NotEmpty(t, repaired)
		require.Empty(t, pgtest.Drift(t, pool), "round %d", round)
	}
}

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

func date(text string) rollup.Date {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return rollup.DateOf(at)
}
