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

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/zones"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

func TestRezoneMovesLogsToTheDatesOfAZone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	record(t, pool,
		unzoned(user, 5, "2026-01-31T20:00:00Z"), // 1 February in Tokyo
		unzoned(user, 7, "2026-01-31T08:00:00Z"),
	)

	chunks := rezone(t, pool, rebuild.Scope{}, "Asia/Tokyo", 100)

	require.Len(t, chunks, 1)
	assert.Equal(t, rebuild.Chunk{Users: 1, Logs: 2, Walked: 2, Rezoned: 2}, chunks[0])
	assert.Equal(t, []string{"day 2026-01-31: 7", "day 2026-02-01: 5", "week 2026-01-26: 12", "month 2026-01-01: 7", "month 2026-02-01: 5"},
		rowsOf(t, pool, user))
	assert.Empty(t, pgtest.Drift(t, pool))
}

// So a wrong re-zone can be followed by a right one, and what clients said is kept.
func TestRezoneChangesOnlyLogsWithoutAZone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	said := unzoned(user, 5, "2026-01-31T20:00:00Z")
	said.Zone = time.UTC
	record(t, pool, said, unzoned(user, 7, "2026-01-31T20:00:00Z"))

	first := rezone(t, pool, rebuild.Scope{}, "Asia/Tokyo", 100)
	again := rezone(t, pool, rebuild.Scope{}, "Asia/Tokyo", 100)
	other := rezone(t, pool, rebuild.Scope{}, "Europe/Berlin", 100)

	assert.Equal(t, []int64{1, 0, 1}, []int64{first[0].Rezoned, again[0].Rezoned, other[0].Rezoned})
	assert.Equal(t, []string{"day 2026-01-31: 12", "week 2026-01-26: 12", "month 2026-01-01: 12"}, rowsOf(t, pool, user),
		"and rows that have become empty are gone")
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestRezoneStaysInItsScope(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	in, out := uuid.New(), uuid.New()
	record(t, pool,
		unzoned(in, 1, "2026-01-09T23:00:00Z"), unzoned(in, 2, "2026-01-10T23:00:00Z"), unzoned(in, 4, "2026-01-11T23:00:00Z"),
		unzoned(out, 8, "2026-01-10T23:00:00Z"),
	)
	day := new(rollup.NewDate(2026, time.January, 10))

	chunks := rezone(t, pool, rebuild.Scope{Users: []uuid.UUID{in}, From: day, To: day}, "Asia/Tokyo", 100)

	assert.EqualValues(t, 1, chunks[0].Rezoned)
	assert.Equal(t, []string{"day 2026-01-09: 1", "day 2026-01-11: 6", "week 2026-01-05: 7", "month 2026-01-01: 7"}, rowsOf(t, pool, in))
	assert.Equal(t, []string{"day 2026-01-10: 8", "week 2026-01-05: 8", "month 2026-01-01: 8"}, rowsOf(t, pool, out))
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestRezoneLeavesVoidedLogs(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	log := unzoned(uuid.New(), 5, "2026-01-31T20:00:00Z")
	record(t, pool, log)
	command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Void(t.Context(), []command.Target{{UserID: log.UserID, RequestID: log.RequestID}})

	chunks := rezone(t, pool, rebuild.Scope{}, "Asia/Tokyo", 100)

	assert.Zero(t, chunks[0].Rezoned)
	assert.Empty(t, pgtest.Drift(t, pool))
}

// The offsets are those of the zone at the time of each log, in whatever chunks.
func TestRezoneFollowsTheChangesOfTheClocks(t *testing.T) {
	t.Parallel()
	known, err := zones.Open()
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "Pacific/Marquesas", "Pacific/Kiritimati"} {
		for _, maxLogs := range []int{1, 7, 1000} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				pool := pgtest.Pool(t)
				users := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
				logs := make([]command.Log, 60)
				for i := range logs {
					at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(random.Int64N(int64(26 * 365 * 24 * time.Hour))))
					logs[i] = logAt(users[i%len(users)], i, at)
					logs[i].Zone = nil
				}
				record(t, pool, logs...)

				rezone(t, pool, rebuild.Scope{}, name, maxLogs)

				zone, err := known.Load(name)
				require.NoError(t, err)
				for _, log := range logs {
					got := scan[int16](t, pool, `SELECT utc_offset FROM learning_log WHERE request_id = $1`, log.RequestID)
					assert.Equal(t, rollup.OffsetAt(log.Timestamp, zone), rollup.Offset(got), "at %v", log.Timestamp)
				}
				assert.Empty(t, pgtest.Drift(t, pool))
			})
		}
	}
}

// rezone re-zones a scope chunk by chunk, and returns the chunks without their rests.
func rezone(t *testing.T, pool *pgxpool.Pool, scope rebuild.Scope, zone string, maxLogs int) (chunks []rebuild.Chunk) {
	t.Helper()
	known, err := zones.Open()
	require.NoError(t, err)
	location, err := known.Load(zone)
	require.NoError(t, err)
	for part := new(rebuild.Whole()); part != nil; {
		require.Less(t, len(chunks), 10_000, "it comes to an end")
		var chunk rebuild.Chunk
		require.NoError(t, pgx.BeginFunc(context.Background(), pool, func(tx pgx.Tx) error {
			chunk, err = rebuild.RezoneChunk(context.Background(), tx, scope, *part, rebuild.ChunkOptions{MaxLogs: maxLogs}, location)
			return err
		}))
		part, chunk.Rest = chunk.Rest, nil
		chunks = append(chunks, chunk)
	}
	return chunks
}

// rowsOf returns the rows of a user's rollup with their words.
func rowsOf(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) []string {
	t.Helper()
	return scan[[]string](t, pool, `
		SELECT array_agg(format('%s %s: %s', granularity, period, total_word_count) ORDER BY granularity, period)
		FROM learning_log_aggregates WHERE user_id = $1`, user)
}

func scan[T any](t *testing.T, pool *pgxpool.Pool, query string, arguments ...any) (value T) {
	t.Helper()
	require.NoError(t, pool.QueryRow(context.Background(), query, arguments...).Scan(&value))
	return value
}

// unzoned returns a log whose client said no zone.
func unzoned(userID uuid.UUID, words int, at string) command.Log {
	log := newLog(userID, words, at)
	log.Zone = nil
	return log
}
