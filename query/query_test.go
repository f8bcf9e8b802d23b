package query_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

func date(text string) rollup.Date {
	var date rollup.Date
	if err := date.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return date
}

// newReader returns a reader for which learners are in UTC of whom nothing is known.
func newReader(pool *pgxpool.Pool) *query.Reader { return query.NewReader(pool, time.UTC) }

// post records a log of a learner whose clock showed a time with an offset, and returns
// its request id.
func post(t require.TestingT, pool *pgxpool.Pool, user uuid.UUID, words int, shown string) uuid.UUID {
	at := instant(shown)
	log := command.Log{RequestID: uuid.New(), UserID: user, WordCount: words, Timestamp: at, Zone: at.Location()}
	outcomes := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Record(context.Background(), []command.Log{log})
	require.Equal(t, command.Recorded, outcomes[0].Status)
	return log.RequestID
}

func void(t *testing.T, pool *pgxpool.Pool, user, requestID uuid.UUID) {
	t.Helper()
	target := command.Target{UserID: user, RequestID: requestID}
	outcomes := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Void(context.Background(), []command.Target{target})
	require.Equal(t, command.Voided, outcomes[0].Status)
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	location, err := time.LoadLocation(name)
	require.NoError(t, err)
	return location
}

// After a restart of the database, the pool has broken connections. A reader that
// meets one hides this from its caller.
func TestReadsOutliveTheirConnections(t *testing.T) {
	t.Parallel()
	ctx, pool, user := context.Background(), pgtest.Pool(t), uuid.New()
	id := post(t, pool, user, 12, "2026-11-23T00:30:00+14:00")
	reader, killer := newReader(pool), pgtest.Open(t, pool.Config().ConnString())
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

// What a query finds out before its connection breaks, or because it breaks, is not
// taken for an answer.
func TestTodayIsRightAfterAConnectionBroke(t *testing.T) {
	t.Parallel()
	ctx, pool, user := context.Background(), pgtest.Pool(t), uuid.New()
	post(t, pool, user, 12, "2026-11-23T00:30:00+14:00")
	clock := query.Clock{Now: instant("2026-11-22T10:30:00Z")}
	broken := query.NewReader(&breakingPool{Pool: pool}, time.UTC)

	summary, err := broken.Summary(ctx, query.SummaryRequest{UserID: user, Granularity: rollup.Day, Clock: clock})
	require.NoError(t, err)
	assert.Equal(t, "2026-11-23", summary.To.String())

	broken = query.NewReader(&breakingPool{Pool: pool}, time.UTC)
	streaks, err := broken.Streaks(ctx, user, clock, new(0))
	require.NoError(t, err)
	assert.Equal(t, "2026-11-23", streaks.Today.String())

	broken = query.NewReader(&breakingPool{Pool: pool}, time.UTC)
	clock, err = broken.Clock(ctx, user, clock.Now)
	require.NoError(t, err)
	assert.Equal(t, "2026-11-23", clock.Today().String())
}

// breakingPool is a pool whose connection breaks before the first row of the first query.
type breakingPool struct {
	*pgxpool.Pool
	broke bool
}

func (p *breakingPool) Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error) {
	if p.broke {
		return p.Pool.Query(ctx, sql, arguments...)
	}
	p.broke = true
	return brokenRows{}, nil
}

func (p *breakingPool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	connection, err := p.Pool.Acquire(ctx)
	if err != nil || p.broke {
		return connection, err
	}
	p.broke = true
	return connection, connection.Conn().PgConn().Conn().Close()
}

// brokenRows are the rows of a query whose connection broke.
type brokenRows struct{ pgx.Rows }

func (brokenRows) Next() bool { return false }
func (brokenRows) Err() error { return io.ErrUnexpectedEOF }
func (brokenRows) Close()     {}
