package sharding_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/sharding"
)

// Few rows and many are inserted alike, in their order.
func TestRowsOfColumns(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for _, rows := range []int{1, 2, 63, 64, 20_000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			t.Parallel()
			var numbers pgtype.FlatArray[int64]
			var texts pgtype.FlatArray[pgtype.Text]
			var want []string
			for n := range rows {
				numbers = append(numbers, int64(n))
				text := pgtype.Text{String: fmt.Sprint("'$1, ", n), Valid: n%2 == 0}
				texts = append(texts, text)
				if !text.Valid {
					text.String = "none"
				}
				want = append(want, fmt.Sprintf("%d%d%s", n, n, text.String))
			}
			tx, err := pool.Begin(t.Context())
			require.NoError(t, err)
			_, err = tx.Exec(t.Context(), `CREATE TEMPORARY TABLE copied (place bigserial, n int, twice bigint, text text) ON COMMIT DROP`)
			require.NoError(t, err)

			sql, arguments := sharding.RowsSQL(`$1::int, 2 * $1::bigint, coalesce($2::text, 'none')`, numbers, texts)
			inserted, err := tx.Query(t.Context(), `
				INSERT INTO copied (n, twice, text) `+sql+` ON CONFLICT DO NOTHING RETURNING concat(n, twice / 2, text)`, arguments...)
			require.NoError(t, err)
			got, err := pgx.CollectRows(inserted, pgx.RowTo[string])

			require.NoError(t, err)
			assert.Equal(t, want, got)
			require.NoError(t, tx.Rollback(t.Context()))
		})
	}
}
