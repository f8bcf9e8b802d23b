package rebuild_test

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// A learner who travels has logs of several clocks, also on one date, at the end of a
// month and at the end of a year. Each counts on the date that its clock showed.
func TestLogsOfDifferentClocksCountOnTheirOwnDates(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	traveller := []command.Log{
		newLog(user(1), 1, "2025-12-31T23:30:00-12:00"), // after all those of the new year
		newLog(user(1), 2, "2025-12-31T23:59:59-09:30"),
		newLog(user(1), 4, "2026-01-01T00:00:00+14:00"),
		newLog(user(1), 8, "2026-01-01T00:00:00Z"),
		newLog(user(1), 16, "2026-01-01T00:00:00+05:45"),
		newLog(user(1), 32, "2026-01-31T12:00:00+14:00"),
		newLog(user(1), 64, "2026-01-31T23:59:59-12:00"),
		newLog(user(1), 128, "2026-02-01T00:00:00+14:00"), // 26 hours before the log above
	}
	record(t, pool, traveller...)

	for _, maxLogs := range []int{1, 2, rebuild.DefaultChunkLogs} {
		chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: maxLogs, DryRun: true})
		assert.Empty(t, drifted(t, chunks), "chunks of %d", maxLogs)
		assert.Equal(t, int64(len(traveller)), logsOf(chunks), "chunks of %d", maxLogs)
	}

	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 0`)
	repaired := drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 2}))

	sums := map[string]rollup.Sums{}
	for _, drift := range repaired {
		sums[string(drift.Granularity)+" "+drift.Period.String()] = drift.Is
	}
	assert.Equal(t, map[string]rollup.Sums{
		"day 2025-12-31":   {TotalWordCount: 1 + 2, EntryCount: 2},
		"day 2026-01-01":   {TotalWordCount: 4 + 8 + 16, EntryCount: 3},
		"day 2026-01-31":   {TotalWordCount: 32 + 64, EntryCount: 2},
		"day 2026-02-01":   {TotalWordCount: 128, EntryCount: 1},
		"week 2025-12-29":  {TotalWordCount: 1 + 2 + 4 + 8 + 16, EntryCount: 5},
		"week 2026-01-26":  {TotalWordCount: 32 + 64 + 128, EntryCount: 3},
		"month 2025-12-01": {TotalWordCount: 1 + 2, EntryCount: 2},
		"month 2026-01-01": {TotalWordCount: 4 + 8 + 16 + 32 + 64, EntryCount: 5},
		"month 2026-02-01": {TotalWordCount: 128, EntryCount: 1},
	}, sums)
	assert.Empty(t, pgtest.Drift(t, pool))
}

// On all clocks together, a date lasts 50 hours. So the logs of two months overlap, and a
// chunk that ends with a month reads some of the next. It judges no period by a part of
// its logs, whatever clocks the logs around the end of the month had.
func TestRebuildOfAUserWhoIsCutAtMonthsIsExactForAllClocks(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	driftOf := func(id uuid.UUID) []string {
		return slices.DeleteFunc(pgtest.Drift(t, pool), func(line string) bool { return !strings.HasPrefix(line, id.String()) })
	}
	months := []rollup.Date{date("2024-02-01"), date("2024-03-01"), date("2025-12-01"), date("2026-01-01"), date("2026-06-01")}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		id := user(n)
		scope := rebuild.Scope{Users: []uuid.UUID{id}}
		logs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) command.Log {
			around := rapid.SampledFrom(months).Draw(t, "month").Time()
			minutes := rapid.IntRange(-40*60, 40*60).Draw(t, "minutes after its midnight in UTC")
			clock := rapid.OneOf(
				rapid.SampledFrom([]rollup.Offset{rollup.MinOffset, rollup.MaxOffset, 0}),
				rapid.Map(rapid.IntRange(int(rollup.MinOffset), int(rollup.MaxOffset)), func(n int) rollup.Offset { return rollup.Offset(n) }),
			).Draw(t, "offset")
			at := around.Add(time.Duration(minutes) * time.Minute)
			return logAt(id, rapid.IntRange(0, 9).Draw(t, "words"), at.In(clock.Location()))
		}), 1, 30).Draw(t, "logs")
		record(t, pool, logs...)
		options := func(dryRun bool) rebuild.ChunkOptions {
			return rebuild.ChunkOptions{MaxLogs: rapid.IntRange(1, 12).Draw(t, "logs of a chunk"), DryRun: dryRun}
		}

		chunks := workAll(t, pool, scope, options(true))
		require.Empty(t, drifted(t, chunks))
		require.Equal(t, int64(len(logs)), logsOf(chunks), "every log is in one chunk")

		// A range has the periods that its dates are in, and no others.
		execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1 WHERE user_id = $1`, id)
		from := rapid.SampledFrom(months).Draw(t, "from") + rollup.Date(rapid.IntRange(-3, 3).Draw(t, "days after"))
		to := from + rollup.Date(rapid.SampledFrom([]int{0, 1, 30, 1000}).Draw(t, "days"))
		ranged := rebuild.Scope{Users: scope.Users, From: &from, To: &to}
		var want []string
		for _, granularity := range rollup.Granularities() {
			for _, log := range logs {
				start := granularity.Start(rollup.DateOf(log.Timestamp))
				if start >= granularity.Start(from) && start <= granularity.Start(to) {
					want = append(want, string(granularity)+" "+start.String())
				}
			}
		}
		slices.Sort(want)
		found := periodsOf(drifted(t, workAll(t, pool, ranged, options(true))))
		slices.Sort(found)
		require.ElementsMatch(t, slices.Compact(want), found, "from %s to %s", from, to)

		execute(t, pool, `DELETE FROM learning_log_aggregates WHERE user_id = $1 AND extract(day FROM period) % 2 = 0`, id)
		wrong := driftOf(id)
		repaired := drifted(t, workAll(t, pool, scope, options(false)))
		require.Len(t, repaired, len(wrong), "no period is left out, none is found twice")
		require.Empty(t, driftOf(id))
	})
}

// Dates have no zone, but PostgreSQL has one in every session, and uses it where a
// statement isn't careful.
func TestRebuildDoesNotDependOnTheTimeZoneOfTheSession(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(pgtest.URL(t))
	require.NoError(t, err)
	parameters := address.Query()
	parameters.Set("timezone", "America/Sao_Paulo")
	address.RawQuery = parameters.Encode()
	pool := pgtest.Open(t, address.String())
	var zone string
	require.NoError(t, pool.QueryRow(t.Context(), `SHOW timezone`).Scan(&zone))
	require.Equal(t, "America/Sao_Paulo", zone)
	// In 2018 its clocks skipped the midnight of 4 November.
	for day := -5; day < 5; day++ {
		midnight := time.Date(2018, 11, 4+day, 0, 0, 0, 0, time.UTC)
		record(t, pool, logAt(user(1), 1, midnight), logAt(user(1), 1, midnight.In(rollup.MinOffset.Location())))
	}

	for _, maxLogs := range []int{1, rebuild.DefaultChunkLogs} {
		found := drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: maxLogs, DryRun: true}))
		assert.Empty(t, found)
	}
	execute(t, pool, `TRUNCATE learning_log_aggregates`)
	workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 5})
	assert.Empty(t, pgtest.Drift(t, pool))
}

// A log at the first instant that the table takes is on a date before the year 1 on some
// clocks.
func TestRebuildAtTheEndsOfTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for _, offset := range []rollup.Offset{rollup.MinOffset, 0, rollup.MaxOffset} {
		execute(t, pool, `
			INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset)
			VALUES (gen_random_uuid(), $1, 1, '0001-01-01 00:00:00Z', $2),
			       (gen_random_uuid(), $1, 1, '9998-12-31 23:59:59.999999Z', $2)`, user(1), offset)
	}

	repaired := drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 1}))

	assert.Equal(t, []string{
		"day 0000-12-31", "day 0001-01-01", "day 9998-12-31", "day 9999-01-01",
		"month 0000-12-01", "month 0001-01-01", "month 9998-12-01", "month 9999-01-01",
		"week 0000-12-25", "week 0001-01-01", "week 9998-12-28",
	}, periodsOf(repaired))
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Empty(t, drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{DryRun: true})))
	last := date("9998-12-31")
	for _, scope := range []rebuild.Scope{{From: &last}, {To: &last}} {
		assert.Empty(t, drifted(t, workAll(t, pool, scope, rebuild.ChunkOptions{MaxLogs: 1, DryRun: true})))
	}
}

// clocks are the offsets of learners' clocks, which their logs take in turn.
func clocks() map[string][]rollup.Offset {
	return map[string][]rollup.Offset{
		"UTC":              {0},
		"the first clocks": {rollup.MaxOffset},
		"the last clocks":  {rollup.MinOffset},
		"a traveller":      {rollup.MaxOffset, 0, rollup.MinOffset, +5*60 + 45, -9*60 - 30},
	}
}

// randomClock returns the location of a clock somewhere on Earth.
func randomClock(random *rand.Rand) *time.Location {
	return (rollup.MinOffset + rollup.Offset(random.IntN(int(rollup.MaxOffset-rollup.MinOffset)+1))).Location()
}

func periodsOf(found []rebuild.Drift) []string {
	periods := make([]string, len(found))
	for i, drift := range found {
		periods[i] = string(drift.Granularity) + " " + drift.Period.String()
	}
	return periods
}

func logsOf(chunks []rebuild.Chunk) (logs int64) {
	for _, chunk := range chunks {
		logs += chunk.Logs
	}
	return logs
}
