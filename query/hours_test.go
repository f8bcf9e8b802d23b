package query_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

// addLogs records logs by a query for their words, their timestamps and their offsets.
// Hours don't read the rollup.
func addLogs(t require.TestingT, pool *pgxpool.Pool, user uuid.UUID, logs string) {
	_, err := pool.Exec(context.Background(), `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset)
		SELECT gen_random_uuid(), $1, words, "timestamp", utc_offset FROM (`+logs+`) AS logs`, user)
	require.NoError(t, err)
}

func TestHoursAreThoseOfTheLearnersClock(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-03-04T07:00:00+09:00")
	post(t, pool, user, 2, "2026-03-04T07:59:59.999999-03:30")
	post(t, pool, user, 4, "2026-03-05T00:00:00+05:45")
	post(t, pool, user, 8, "2026-03-05T23:59:00Z")
	post(t, pool, user, 0, "2000-01-05T23:00:00-08:00")
	post(t, pool, uuid.New(), 99, "2026-03-04T07:00:00+09:00")
	void(t, pool, user, post(t, pool, user, 99, "2026-03-04T07:00:00+09:00"))

	hours, err := newReader(pool).Hours(context.Background(), user, date("2000-01-05"), date("2026-03-05"))

	require.NoError(t, err)
	var want query.Hours
	want.Sums[0] = rollup.Sums{TotalWordCount: 4, EntryCount: 1}
	want.Sums[7] = rollup.Sums{TotalWordCount: 3, EntryCount: 2}
	want.Sums[23] = rollup.Sums{TotalWordCount: 8, EntryCount: 2}
	assert.Equal(t, want, hours)
	assert.Equal(t, rollup.Sums{TotalWordCount: 15, EntryCount: 5}, hours.Totals())
}

// The dates are those on which the logs count: those of the learner's clock.
func TestHoursAreOfTheLogsOfTheDates(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-03-03T23:59:00-12:00") // in UTC it was the 4th
	post(t, pool, user, 2, "2026-03-04T00:00:00+14:00") // in UTC it was the 3rd
	post(t, pool, user, 4, "2026-03-05T23:59:00-12:00")
	post(t, pool, user, 8, "2026-03-06T00:00:00+14:00")
	reader := newReader(pool)

	for _, test := range []struct {
		from, to string
		words    int
	}{
		{"2026-03-04", "2026-03-05", 6},
		{"2026-03-03", "2026-03-03", 1},
		{"2026-03-03", "2026-03-04", 3},
		{"2026-03-06", "2026-03-07", 8},
		{"2026-03-07", "2026-03-07", 0},
	} {
		hours, err := reader.Hours(context.Background(), user, date(test.from), date(test.to))
		require.NoError(t, err)
		assert.EqualValues(t, test.words, hours.Totals().TotalWordCount, "%s to %s", test.from, test.to)
	}
}

func TestHoursAreOfTheLatestLogs(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	hoursOf := func() query.Hours {
		hours, err := newReader(pool).Hours(context.Background(), user, date("2026-01-01"), date("2026-01-31"))
		require.NoError(t, err)
		return hours
	}
	addLogs(t, pool, user, fmt.Sprintf(`
		SELECT 1 AS words, '2026-01-02T07:30:00Z'::timestamptz + n * interval '1 second' AS "timestamp", 0 AS utc_offset
		FROM generate_series(1, %d) AS n`, query.MaxHoursLogs))

	all := hoursOf()
	assert.Equal(t, rollup.Sums{TotalWordCount: query.MaxHoursLogs, EntryCount: query.MaxHoursLogs}, all.Totals())
	assert.False(t, all.HasMore)

	post(t, pool, user, 5, "2026-02-01T03:00:00Z") // is out of range
	post(t, pool, user, 5, "2025-12-31T03:00:00Z") // so is this
	assert.Equal(t, all, hoursOf())

	post(t, pool, user, 5, "2026-01-01T03:00:00Z") // is the oldest
	all.HasMore = true
	assert.Equal(t, all, hoursOf())

	post(t, pool, user, 5, "2026-01-03T03:00:00Z") // is the latest
	later := hoursOf()
	assert.EqualValues(t, 5, later.Sums[3].TotalWordCount)
	assert.EqualValues(t, query.MaxHoursLogs, later.Totals().EntryCount)
}

func TestTheBestHour(t *testing.T) {
	t.Parallel()
	var hours query.Hours
	_, ok := hours.Best()
	assert.False(t, ok, "without a log")
	hours.Sums[5] = rollup.Sums{TotalWordCount: 0, EntryCount: 1}
	best, ok := hours.Best()
	assert.True(t, ok)
	assert.Equal(t, 5, best)
	hours.Sums[7], hours.Sums[9] = rollup.Sums{TotalWordCount: 3, EntryCount: 1}, rollup.Sums{TotalWordCount: 3, EntryCount: 2}
	best, _ = hours.Best()
	assert.Equal(t, 7, best, "the earlier one of two")
}

// However Go and PostgreSQL compute it, the hour is the same.
func TestHoursEqualThoseOfGo(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	reader := newReader(pool)
	rapid.Check(t, func(t *rapid.T) {
		user := uuid.New()
		offset := rollup.Offset(rapid.IntRange(int(rollup.MinOffset), int(rollup.MaxOffset)).Draw(t, "offset"))
		first, last := instant("0001-01-03T00:00:00Z").UnixMicro(), instant("9998-12-30T00:00:00Z").UnixMicro()
		local := time.UnixMicro(rapid.Int64Range(first, last).Draw(t, "microseconds")).In(offset.Location())
		addLogs(t, pool, user, fmt.Sprintf(`SELECT 1 AS words, '%s'::timestamptz AS "timestamp", %d AS utc_offset`,
			local.Format("2006-01-02T15:04:05.999999Z07:00"), offset))

		day := rollup.DateOf(local)
		hours, err := reader.Hours(context.Background(), user, day, day)
		require.NoError(t, err)
		best, ok := hours.Best()
		require.True(t, ok)
		require.Equal(t, local.Hour(), best)
	})
}

// explained is a pool that also keeps how PostgreSQL carries the queries out.
type explained struct {
	*pgxpool.Pool

	plan string
}

func (e *explained) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	err := e.Pool.QueryRow(ctx, `EXPLAIN (ANALYZE, FORMAT JSON) `+sql, arguments...).Scan(&e.plan)
	if err != nil {
		return nil, err
	}
	return e.Pool.Query(ctx, sql, arguments...)
}

// However many logs a user has, no more of them are read than are counted. Only if there
// may be more, it is looked whether there are.
func TestHoursReadTheIndexAlone(t *testing.T) {
	t.Parallel()
	if pgtest.Distributed() {
		t.Skip("Citus can't explain a statement with parameters")
	}
	pool, light, heavy := pgtest.Pool(t), uuid.New(), uuid.New()
	for user, logs := range map[uuid.UUID]int{light: 100, heavy: 20_000, uuid.New(): 20_000} {
		addLogs(t, pool, user, fmt.Sprintf(`
			SELECT 1 AS words, '2026-01-01T12:00:00Z'::timestamptz + n * interval '1 minute' AS "timestamp", 0 AS utc_offset
			FROM generate_series(1, %d) AS n ORDER BY random()`, logs))
	}
	pgtest.VacuumLogs(t, pool)
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		connection := pool.Config().Copy()
		connection.ConnConfig.RuntimeParams["plan_cache_mode"] = mode
		planned, err := pgxpool.NewWithConfig(context.Background(), connection)
		require.NoError(t, err)
		t.Cleanup(planned.Close)
		for user, want := range map[uuid.UUID][]float64{ // how many logs the sums and the look for more read
			light: {100, 0}, heavy: {query.MaxHoursLogs, query.MaxHoursLogs + 1},
		} {
			explained := &explained{Pool: planned}
			_, err := query.NewReader(explained, nil).Hours(context.Background(), user, date("2026-01-01"), date("2026-12-31"))
			require.NoError(t, err)

			var read []float64
			for _, scan := range scansOf(t, explained.plan) {
				assert.Equal(t, "Index Only Scan", scan.Node, mode)
				assert.Equal(t, "learning_log_counted_idx", scan.Index, mode)
				assert.Zero(t, scan.Fetches, mode)
				read = append(read, scan.Rows)
			}
			assert.ElementsMatch(t, want, read, mode)
		}
	}
}

// node is a step of a plan.
type node struct {
	Node    string  `json:"Node Type"`
	Index   string  `json:"Index Name"`
	Fetches int     `json:"Heap Fetches"`
	Rows    float64 `json:"Actual Rows"`
	Plans   []node
}

// scansOf returns the scans of a plan.
func scansOf(t *testing.T, plan string) (scans []node) {
	t.Helper()
	var plans []struct{ Plan node }
	require.NoError(t, json.Unmarshal([]byte(plan), &plans))
	nodes := []node{plans[0].Plan}
	for len(nodes) > 0 {
		step := nodes[0]
		nodes = append(nodes[1:], step.Plans...)
		if strings.Contains(step.Node, "Scan") && step.Node != "Subquery Scan" {
			scans = append(scans, step)
		}
	}
	return scans
}
