package rebuild_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

const benchLogs = 200_000

// Verify reads all logs and all rollups once. Compare it with a plain count of the
// same sums.
func BenchmarkVerify(b *testing.B) {
	pool := pgtest.Pool(b)
	execute(b, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), md5((n % 2000)::text)::uuid, 5, '2026-01-01Z'::timestamptz + n * interval '90 seconds'
		FROM generate_series(1, $1) AS n`, benchLogs)
	workAll(b, pool, rebuild.Scope{}, rebuild.ChunkOptions{})
	execute(b, pool, `VACUUM ANALYZE`)

	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			require.Empty(b, drifted(b, workAll(b, pool, rebuild.Scope{}, rebuild.ChunkOptions{DryRun: true})))
		}
		b.ReportMetric(benchLogs*float64(b.N)/b.Elapsed().Seconds(), "logs/s")
	})
	b.Run("rebuild", func(b *testing.B) {
		for b.Loop() {
			require.Empty(b, drifted(b, workAll(b, pool, rebuild.Scope{}, rebuild.ChunkOptions{})))
		}
		b.ReportMetric(benchLogs*float64(b.N)/b.Elapsed().Seconds(), "logs/s")
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			var rows int
			err := pool.QueryRow(context.Background(), `
				WITH daily AS (
				    SELECT user_id, (("timestamp" AT TIME ZONE 'UTC') + utc_offset * interval '1 minute')::date AS day,
				           sum(word_count) AS words, count(*) AS entries
				    FROM learning_log WHERE voided_at IS NULL GROUP BY 1, 2
				)
				SELECT count(*) FROM (
				    SELECT user_id, day::timestamp, words, entries FROM daily
				    UNION ALL SELECT user_id, date_trunc('week', day::timestamp) AS week, sum(words), sum(entries) FROM daily GROUP BY 1, 2
				    UNION ALL SELECT user_id, date_trunc('month', day::timestamp) AS month, sum(words), sum(entries) FROM daily GROUP BY 1, 2
				) AS sums`).Scan(&rows)
			require.NoError(b, err)
		}
		b.ReportMetric(benchLogs*float64(b.N)/b.Elapsed().Seconds(), "logs/s")
	})
}
