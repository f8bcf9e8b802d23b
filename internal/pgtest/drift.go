package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// Drift returns a line for every row of the rollups that differs from the logs and the sealed
// days, in one snapshot. It is the tests' oracle, so it shares nothing with the statement
// under test: it counts each granularity directly from the logs, and compares by a
// FULL JOIN.
func Drift(t testing.TB, pool *pgxpool.Pool) []string {
	t.Helper()
	const query = `
		SELECT format('%s %s %s: rollup (%s words, %s entries), logs (%s words, %s entries)',
		              user_id, granularity, period,
		              coalesce(total_word_count, 0), coalesce(entry_count, 0), coalesce(words, 0), coalesce(entries, 0))
		FROM learning_log_aggregates
		FULL JOIN (
		    SELECT user_id, granularity::learning_log_granularity, date_trunc(granularity, at)::date AS period,
		           sum(words) AS words, sum(entries) AS entries
		    FROM (
		        SELECT user_id, ("timestamp" AT TIME ZONE 'UTC') + utc_offset * interval '1 minute' AS at,
		               word_count::bigint AS words, 1::bigint AS entries
		        FROM learning_log
		        WHERE voided_at IS NULL
		        UNION ALL
		        SELECT user_id, day::timestamp, total_word_count, entry_count FROM learning_log_sealed_days
		    ) AS counted, unnest(ARRAY['day', 'week', 'month']) AS granularity
		    GROUP BY 1, 2, 3
		) AS truth USING (user_id, granularity, period)
		WHERE coalesce(total_word_count, 0) <> coalesce(words, 0) OR coalesce(entry_count, 0) <> coalesce(entries, 0)
		ORDER BY 1`
	rows, err := pool.Query(context.Background(), query)
	require.NoError(t, err)
	drift, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return drift
}
