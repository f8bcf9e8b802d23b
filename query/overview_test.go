package query_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

func TestEverybodyPerDay(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for _, words := range []int{1, 20, 300} {
		user := uuid.New()
		post(t, pool, user, words, "2026-11-20T08:00:00Z")
		post(t, pool, user, 1, "2026-11-23T08:00:00Z")
	}

	summary, err := query.NewReader(pool).EverybodyPerDay(context.Background(),
		instant("2026-11-19T12:00:00Z"), instant("2026-11-21T12:00:00Z"), time.UTC)

	require.NoError(t, err)
	assert.Equal(t, rollup.Sums{TotalWordCount: 321, EntryCount: 3}, summary.Totals)
	require.Len(t, summary.Periods, 3)
	assert.Equal(t, rollup.Sums{TotalWordCount: 321, EntryCount: 3}, summary.Periods[1].Sums)
}

func TestActiveUsers(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pgtest.Pool(t)
	reader := query.NewReader(pool)
	none, err := reader.ActiveUsers(ctx, time.Now(), 2)
	require.NoError(t, err)
	assert.Empty(t, none)
	has, err := reader.HasLogs(ctx)
	require.NoError(t, err)
	assert.False(t, has)
	users := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	for i, ago := range []string{"31 days", "2 days", "2 hours", "2 seconds"} {
		id := post(t, pool, users[i], 1, "2026-11-20T08:00:00Z")
		_, err := pool.Exec(ctx, `UPDATE learning_log SET recorded_at = now() - $2::interval WHERE request_id = $1`, id, ago)
		require.NoError(t, err)
	}
	has, err = reader.HasLogs(ctx)
	require.NoError(t, err)
	assert.True(t, has)
	for limit, want := range map[int][]uuid.UUID{
		1: {users[3]},
		2: {users[3], users[2]},
		9: {users[3], users[2], users[1]},
	} {
		active, err := reader.ActiveUsers(ctx, time.Now(), limit)
		require.NoError(t, err)
		var got []uuid.UUID
		for _, user := range active {
			got = append(got, user.UserID)
			assert.Equal(t, time.UTC, user.LastRecordedAt.Location())
		}
		assert.Equal(t, want, got, "the latest first")
	}
}
