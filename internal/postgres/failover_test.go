package postgres_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
)

// A server that becomes a standby, or is set so, refuses to write, but keeps connections.
func TestConnectionsToAServerThatTakesNoWritesAnyMoreAreReplaced(t *testing.T) {
	t.Parallel()
	pool := pgtest.Open(t, pgtest.EmptyURL(t))
	const several = 5
	var connections []*pgxpool.Conn
	for range several {
		connection, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = connection.Exec(t.Context(), `SET default_transaction_read_only = on`)
		require.NoError(t, err)
		connections = append(connections, connection)
	}
	for _, connection := range connections {
		connection.Release()
	}
	write := func() error {
		_, err := pool.Exec(context.Background(), `CREATE TABLE IF NOT EXISTS written ()`)
		return err
	}

	err := write()

	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, pgerrcode.ReadOnlySQLTransaction, refused.Code)
	for range several {
		require.NoError(t, write())
	}
	var readOnly string
	for range several {
		require.NoError(t, pool.QueryRow(t.Context(), `SHOW default_transaction_read_only`).Scan(&readOnly))
		assert.Equal(t, "off", readOnly)
	}
}

// A machine that is gone answers nothing, and refuses nothing.
func TestAServerThatIsSilentIsPassedOver(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	there, err := pgx.ParseConfig(pgtest.EmptyURL(t))
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(silent.Addr().String())
	require.NoError(t, err)
	both := url.Values{
		"host": {"127.0.0.1," + there.Host}, "port": {port + "," + strconv.Itoa(int(there.Port))},
		"user": {there.User}, "password": {there.Password}, "sslmode": {"disable"},
	}

	pool, err := postgres.Open(t.Context(), "postgres:///"+there.Database+"?"+both.Encode(), 0, slog.New(slog.DiscardHandler))

	require.NoError(t, err)
	t.Cleanup(pool.Close)
	assert.NoError(t, pool.Ping(t.Context()))
}
