package retry_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/retry"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// found is what a query has found, each time that it was collected.
type found []string

// query returns a query that is collected into f.
func (f *found) query(sql string) retry.Query {
	return retry.Query{SQL: sql, Collect: func(rows pgx.Rows) {
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			texts = []string{"failed"}
		}
		*f = append(*f, texts...)
	}}
}

func TestReadTogether(t *testing.T) {
	t.Parallel()
	const killsItself = `SELECT CASE WHEN nextval('tries') <= %d THEN pg_terminate_backend(pg_backend_pid())::text ELSE 'lives' END`
	for _, test := range []struct {
		name  string
		sql   []string
		read  int
		fails string // with this SQLSTATE
		want  []found
		trips int
	}{
		{"all", []string{`SELECT 'a'`, `SELECT 'b'`, `SELECT 'c' WHERE false`}, 3, "", []found{{"a"}, {"b"}, nil}, 1},
		{
			"nothing is run after a failure",
			[]string{`SELECT 'a'`, `SELECT (1/0)::text`, `SELECT nextval('tries')::text`},
			1, pgerrcode.DivisionByZero,
			[]found{{"a"}, {"failed"}, nil},
			1,
		},
		{
			"nor before one that is not understood",
			[]string{`SELECT nextval('tries')::text`, `SELEC`},
			0, pgerrcode.SyntaxError,
			[]found{{"failed"}, nil},
			1,
		},
		{
			"after a connection broke, what was read before isn't read again",
			[]string{`SELECT 'a'`, fmt.Sprintf(killsItself, 1), `SELECT 'c'`},
			3, "",
			[]found{{"a"}, {"failed", "lives"}, {"c"}},
			2,
		},
		{
			"a second time is too often",
			[]string{`SELECT 'a'`, fmt.Sprintf(killsItself, 2), `SELECT 'c'`},
			1, pgerrcode.AdminShutdown,
			[]found{{"a"}, {"failed", "failed"}, nil},
			2,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := &countingPool{Pool: pgtest.Pool(t)}
			_, err := pool.Exec(t.Context(), `CREATE SEQUENCE tries`)
			require.NoError(t, err)
			got := make([]found, len(test.sql))
			queries := make([]retry.Query, len(test.sql))
			for i, sql := range test.sql {
				queries[i] = got[i].query(sql)
			}

			read, err := retry.ReadTogether(t.Context(), pool, queries)

			assert.Equal(t, test.read, read)
			var refused *pgconn.PgError
			if test.fails == "" {
				require.NoError(t, err)
			} else if assert.ErrorAs(t, err, &refused) {
				assert.Equal(t, test.fails, refused.Code)
			}
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.trips, pool.acquired)
			assert.Eventually(t, func() bool { return pool.Stat().AcquiredConns() == 0 }, time.Minute, time.Millisecond, "connections are given back")
		})
	}
}

// countingPool counts how often a connection is acquired.
type countingPool struct {
	*pgxpool.Pool

	acquired int
}

func (p *countingPool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	p.acquired++
	return p.Pool.Acquire(ctx)
}

// A caller who is gone needs no new connections, and closing all would cost others.
func TestReadTogetherOfACallerThatIsGone(t *testing.T) {
	t.Parallel()
	pool := &countingPool{Pool: pgtest.Pool(t)}
	ctx, leave := context.WithCancel(t.Context())
	var got found
	failed := make(chan error, 1)
	go func() {
		_, err := retry.ReadTogether(ctx, pool, []retry.Query{got.query(`SELECT pg_sleep(600)::text`)})
		failed <- err
	}()
	require.Eventually(t, func() (sleeps bool) {
		err := pool.QueryRow(t.Context(), `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep')`).Scan(&sleeps)
		return assert.NoError(t, err) && sleeps
	}, time.Minute, 10*time.Millisecond)

	leave()

	require.ErrorIs(t, <-failed, context.Canceled)
	assert.Equal(t, found{"failed"}, got)
	assert.Equal(t, 1, pool.acquired)
}
