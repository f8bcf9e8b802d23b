package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func TestUnavailable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		want bool
	}{
		{"shutting down", &pgconn.PgError{Code: "57P01"}, true},
		{"starting up", &pgconn.PgError{Code: "57P03"}, true},
		{"too many connections", &pgconn.PgError{Code: "53300"}, true},
		{"disk full", &pgconn.PgError{Code: "53100"}, true},
		{"read-only after a failover", &pgconn.PgError{Code: "25006"}, true},
		{"deadlocked time and again", &pgconn.PgError{Code: "40P01"}, true},
		{"statement timeout", &pgconn.PgError{Code: "57014"}, true},
		{"connection closed", io.ErrUnexpectedEOF, true},
		{"too slow", context.DeadlineExceeded, true},
		{"a node is lost", &pgconn.PgError{Code: "XX000", Message: "failure on connection marked as essential: 10.0.0.2:5432"}, true},
		{"a node is lost at the commit", &pgconn.PgError{Code: "XX000", Message: "could not commit transaction for shard 102008 on at least one active node"}, true},
		{"another internal error", &pgconn.PgError{Code: "XX000", Message: "cache lookup failed for relation 1"}, false},
		{"no such table", &pgconn.PgError{Code: "42P01"}, false},
		{"a check that fails", &pgconn.PgError{Code: "23514"}, false},
		{"a value that doesn't fit", &pgconn.PgError{Code: "22003"}, false},
		{"anything else", errors.New("anything else"), false},
		{"nothing", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, postgres.Unavailable(test.err))
			if test.err != nil {
				assert.Equal(t, test.want, postgres.Unavailable(fmt.Errorf("doing something: %w", test.err)))
			}
		})
	}
}

func TestASessionThatIsEndedIsAnOutage(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	pool := pgtest.Open(t, url)
	_, err = pool.Exec(ctx, `SELECT pg_terminate_backend($1, 5000)`, connection.PgConn().PID())
	require.NoError(t, err)

	_, err = connection.Exec(ctx, `SELECT 1`)
	assert.True(t, postgres.Unavailable(err), "%v", err)
	_, err = connection.Exec(ctx, `SELECT 1`)
	assert.True(t, postgres.Unavailable(err), "%v", err)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	ctx, silent := context.Background(), slog.New(slog.DiscardHandler)

	_, err := postgres.Open(ctx, "postgres://nobody@"+pgtest.ClosedAddress(t)+"/nothing", 0, silent)
	require.ErrorContains(t, err, "can't be reached")
	assert.True(t, postgres.Unavailable(err), "%v", err)
	assert.Equal(t, 1, strings.Count(err.Error(), "dial error"), "with TLS and without it is the same to a person: %v", err)

	started := time.Now()
	_, err = postgres.Open(ctx, pgtest.EmptyURL(t)+"_that_does_not_exist", time.Minute, silent)
	require.Error(t, err)
	assert.Less(t, time.Since(started), 30*time.Second, "what won't mend itself isn't waited for")

	_, err = postgres.Open(ctx, pgtest.EmptyURL(t)+"&pool_max_conns=1", time.Minute, silent)
	require.ErrorContains(t, err, "at least 9")

	_, err = postgres.Open(ctx, "postgres://a b", time.Minute, silent)
	require.ErrorContains(t, err, "postgres://user:password@host")
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	require.NoError(t, postgres.CheckURL("postgres://user:secret@host/database?pool_max_conns=9"))
	require.NoError(t, postgres.CheckURL("host=/run user=me"))
	for url, says := range map[string]string{
		"postgres://user:top secret@host":                          "postgres://user:password@host",
		"postgres://user:secret@host?pool_max_conns=8":             "at least 9",
		"postgres://user:secret@host?default_query_exec_mode=exec": "for the session",
	} {
		err := postgres.CheckURL(url)
		require.ErrorContains(t, err, says)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestOpenSaysAtOnceThatItWaits(t *testing.T) {
	t.Parallel()
	ctx, giveUp := context.WithCancel(context.Background())
	said := make(chan string, 1)
	logger := slog.New(slog.NewTextHandler(writerFunc(func(line []byte) (int, error) {
		said <- string(line)
		giveUp()
		return len(line), nil
	}), nil))

	_, err := postgres.Open(ctx, "postgres://nobody@"+pgtest.ClosedAddress(t)+"/nothing", time.Hour, logger)

	require.ErrorIs(t, err, context.Canceled)
	line := <-said
	assert.Contains(t, line, "at_most=1h0m0s")
	assert.Contains(t, line, "connection refused")
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(text []byte) (int, error) { return f(text) }
