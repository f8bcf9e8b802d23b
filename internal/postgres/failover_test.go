package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
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
