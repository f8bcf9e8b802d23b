package command_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func newRecorder(t testing.TB, pool *pgxpool.Pool) *command.Recorder {
	t.Helper()
	return command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
}

func newLog(words int, at string) command.Log {
	return command.Log{RequestID: uuid.New(), UserID: uuid.New(), WordCount: words, Timestamp: instant(at)}
}

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

func record(t require.TestingT, recorder *command.Recorder, logs ...command.Log) []command.Outcome {
	outcomes := recorder.Record(context.Background(), logs)
	require.Len(t, outcomes, len(logs))
	for _, outcome := range outcomes {
		require.NoError(t, outcome.Err)
	}
	return outcomes
}

func statuses(outcomes []command.Outcome) []command.Status {
	statuses := make([]command.Status, len(outcomes))
	for i, outcome := range outcomes {
		statuses[i] = outcome.Status
	}
	return statuses
}

func scan[T any](t require.TestingT, pool *pgxpool.Pool, query string, arguments ...any) T {
	var value T
	require.NoError(t, pool.QueryRow(context.Background(), query, arguments...).Scan(&value))
	return value
}

const today = "2026-11-22T08:00:00Z"

func newLogs(n int) []command.Log {
	logs := make([]command.Log, n)
	for i := range logs {
		logs[i] = newLog(i%100, today)
	}
	return logs
}

// undated returns logs without timestamps, for tests whose clock isn't today's.
func undated(n int) []command.Log {
	logs := newLogs(n)
	for i := range logs {
		logs[i].Timestamp = time.Time{}
	}
	return logs
}

func wordsOf(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) int {
	t.Helper()
	return scan[int](t, pool, `
		SELECT sum(total_word_count)::int FROM learning_log_aggregates WHERE user_id = $1 AND granularity = 'day'`, user)
}

func assertNoDrift(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	assert.Empty(t, pgtest.Drift(t, pool))
}

// How long a test waits for something that takes a moment, and the interval between
// checks.
const (
	eventually = 30 * time.Second
	often      = time.Millisecond
)

// needSharedIDs skips a test of logs of several users with one request id. Where tables are
// distributed, these are logs like any others.
func needSharedIDs(t testing.TB) {
	t.Helper()
	if pgtest.Distributed() {
		t.Skip("where the tables are distributed, a request id is known by its user")
	}
}

func TestUsersMayHaveLogsWithOneRequestIDWhereTablesAreDistributed(t *testing.T) {
	t.Parallel()
	if !pgtest.Distributed() {
		t.Skip("TEST_CITUS_URL says where a Citus cluster is; it isn't set")
	}
	pool := pgtest.Pool(t)
	recorder, logs := newRecorder(t, pool), newLogs(8)
	for i := range logs {
		logs[i].RequestID = logs[0].RequestID
	}
	for _, want := range []command.Status{command.Recorded, command.AlreadyRecorded} {
		for i, outcome := range record(t, recorder, logs...) {
			assert.Equal(t, want, outcome.Status)
			assert.Equal(t, logs[i].UserID, outcome.Log.UserID)
		}
	}
	assertNoDrift(t, pool)
}
