package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// VacuumLogs analyzes learning_log and makes all its logs visible by an index alone. What
// is visible so is on the disk for certain and older than every transaction of the
// database, of which autovacuum may have one: that is waited for.
func VacuumLogs(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		for _, statement := range []string{`CHECKPOINT`, `VACUUM ANALYZE learning_log`} {
			_, err := pool.Exec(context.Background(), statement)
			require.NoError(t, err)
		}
		var hidden int
		err := pool.QueryRow(context.Background(),
			`SELECT relpages - relallvisible FROM pg_class WHERE oid = 'learning_log'::regclass`).Scan(&hidden)
		require.NoError(t, err)
		assert.Zero(t, hidden, "pages with logs that not all see")
	}, time.Minute, 100*time.Millisecond)
}
