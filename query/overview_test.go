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

	summary, err := newReader(pool).EverybodyPerDay(context.Background(), date("2026-11-19"), date("2026-11-21"))

	require.NoError(t, err)
	assert.Equal(t, rollup.Sums{TotalWordCount: 321, EntryCount: 3}, summary.Totals)
	assert.Equal(t, []string{"2026-11-19 0/0", "2026-11-20 321/3", "2026-11-21 0/0"}, readable(summary))
}

// At one instant, learners have different dates.
func TestEverybodyPerDayAddsUpLearnersByTheirOwnDates(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	post(t, pool, uuid.New(), 1, "2026-11-21T23:30:00-11:00")
	post(t, pool, uuid.New(), 20, "2026-11-22T10:30:00Z")
	post(t, pool, uuid.New(), 300, "2026-11-22T11:30:00+01:00")
	post(t, pool, uuid.New(), 4000, "2026-11-23T00:30:00+14:00")

	summary, err := newReader(pool).EverybodyPerDay(context.Background(), date("2026-11-21"), date("2026-11-23"))

	require.NoError(t, err)
	assert.Equal(t, []string{"2026-11-21 1/1", "2026-11-22 320/2", "2026-11-23 4000/1"}, readable(summary))
}

func TestEverybodyPerDayIsBounded(t *testing.T) {
	t.Parallel()
	ctx, reader, day := context.Background(), newReader(pgtest.Pool(t)), date("2026-11-22")

	_, err := reader.EverybodyPerDay(ctx, day, day-1)
	require.ErrorIs(t, err, rollup.ErrEmptyRange)
	_, err = reader.EverybodyPerDay(ctx, day-query.MaxPeriods, day)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)
}

func TestActiveUsers(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pgtest.Pool(t)
	reader := newReader(pool)
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

func TestActiveUsersHaveTheirNames(t *testing.T) {
	t.Parallel()
	pool, named, unnamed := pgtest.Pool(t), uuid.New(), uuid.New()
	for _, user := range []uuid.UUID{named, unnamed} {
		post(t, pool, user, 1, "2026-11-22T08:00:00Z")
	}
	_, err := pool.Exec(t.Context(), `
		INSERT INTO learning_log_settings (user_id, display_name, freeze_days) VALUES ($1, 'Mia', 0), ($2, NULL, 1), (gen_random_uuid(), 'Jonas', 0)`,
		named, unnamed)
	require.NoError(t, err)

	users, err := newReader(pool).ActiveUsers(t.Context(), time.Now(), 10)

	require.NoError(t, err)
	names := make(map[uuid.UUID]string)
	for _, user := range users {
		names[user.UserID] = user.Name
	}
	assert.Equal(t, map[uuid.UUID]string{named: "Mia", unnamed: ""}, names)
}
