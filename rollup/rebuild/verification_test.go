package rebuild_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

func TestVerifications(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pgtest.Pool(t)
	jobs := newJobs(t, pool)
	none, err := jobs.Verifications(ctx)
	require.NoError(t, err)
	assert.Empty(t, none)
	_, err = pool.Exec(ctx, `
		INSERT INTO learning_log_verifications
		VALUES ('routine', 1, '2026-11-22T08:00:00Z', '2026-11-22T08:00:10Z', 7, 9, 5, 2, '{}', gen_random_uuid()),
		       ('everything', 2, '2026-11-22T07:00:00Z', '2026-11-22T08:00:20Z', 8, 10, 0, 0, '{}', gen_random_uuid())`)
	require.NoError(t, err)

	verifications, err := jobs.Verifications(ctx)

	require.NoError(t, err)
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	assert.Equal(t, []rebuild.Verification{
		{
			Kind: rebuild.Everything, RebuildID: 2,
			BeganAt: at.Add(-time.Hour), FinishedAt: at.Add(20 * time.Second), Users: 8, Logs: 10,
		},
		{
			Kind: rebuild.Routine, RebuildID: 1, BeganAt: at, FinishedAt: at.Add(10 * time.Second),
			Users: 7, Logs: 9, RowsDrifted: 5, RowsRepaired: 2,
		},
	}, verifications, "the latest first")
}
