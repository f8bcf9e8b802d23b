package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/query"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

// post records a log and returns its request id.
func post(t require.TestingT, pool *pgxpool.Pool, user uuid.UUID, words int, at string) uuid.UUID {
	log := command.Log{RequestID: uuid.New(), UserID: user, WordCount: words, Timestamp: instant(at)}
	outcomes := command.NewRecorder(pool, command.Config{}).Record(context.Background(), []command.Log{log})
	require.Equal(t, command.Recorded, outcomes[0].Status)
	return log.RequestID
}

// After a restart of the database, the pool has broken connections. A reader that
// meets one hides this from its caller.
func TestReadsOutliveTheirConnections(t *testing.T) {
	t.Parallel()
	ctx, pool, user := context.Background(), pgtest.Pool(t), uuid.New()
	id := post(t, pool, user, 12, "2026-11-22T08:00:00Z")
	reader, killer := query.NewReader(pool), pgtest.Open(t, pool.Config().ConnString())
	const connections = 5
	for range 3 {
		pooled := make([]*pgxpool.Conn, connections)
		pids := make([]uint32, connections)
		for i := range pooled {
			connection, err := pool.Acquire(ctx)
			require.NoError(t, err)
			pooled[i], pids[i] = connection, connection.Conn().PgConn().PID()
		}
		for _, connection := range pooled {
			connection.Release()
		}
		_, err := killer.Exec(ctx, `SELECT pg_terminate_backend(pid, 5000) FROM unnest($1::int[]) AS pid`, pids)
		require.NoError(t, err)

		log, err := reader.Log(ctx, user, id)

		require.NoError(t, err)
		require.Equal(t, 12, log.WordCount)
	}
}
