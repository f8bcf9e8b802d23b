package pgtest

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// Waiting returns how many statements in the database of a test have waited for a lock
// for so long, at all nodes together if it is distributed.
func Waiting(t testing.TB, pool *pgxpool.Pool, since time.Duration) (count int) {
	t.Helper()
	query := `
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'
		  AND clock_timestamp() - query_start >= interval '` + strconv.FormatInt(since.Milliseconds(), 10) + ` milliseconds'`
	if Distributed() {
		query = `SELECT sum(result::int) FROM run_command_on_all_nodes($nodes$` + query + `$nodes$)`
	}
	require.NoError(t, pool.QueryRow(context.Background(), query).Scan(&count))
	return count
}
