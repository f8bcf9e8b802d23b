package horizon_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/horizon"
	"learninglog/internal/pgtest"
)

const day = 24 * time.Hour

func TestTheHorizonIsOnlyEverRaised(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	read := func(settle time.Duration) horizon.Horizon {
		known, err := horizon.Read(t.Context(), pool, settle)
		require.NoError(t, err)
		return known
	}
	assert.Zero(t, read(0), "at first there is none")

	require.NoError(t, horizon.Raise(t.Context(), pool, 30*day, 0))
	first := read(time.Hour)
	assert.WithinDuration(t, time.Now().Add(-30*day), first.RefusedBefore, time.Minute)
	assert.True(t, first.PurgedBefore.IsZero())
	assert.False(t, first.Settled)
	assert.True(t, read(0).Settled)

	require.NoError(t, horizon.Raise(t.Context(), pool, 31*day, 0))
	assert.Equal(t, first.RefusedBefore, read(0).RefusedBefore, "by no process that keeps more")
	require.NoError(t, horizon.Raise(t.Context(), pool, 30*day-time.Minute, time.Hour))
	assert.Equal(t, first.RefusedBefore, read(0).RefusedBefore, "nor by less than a step")
	require.NoError(t, horizon.Raise(t.Context(), pool, 29*day, time.Hour))
	assert.True(t, read(0).RefusedBefore.After(first.RefusedBefore.Add(day-time.Minute)))

	require.NoError(t, horizon.NotePurge(t.Context(), pool, first.RefusedBefore))
	require.NoError(t, horizon.NotePurge(t.Context(), pool, first.RefusedBefore.Add(-day)))
	assert.Equal(t, first.RefusedBefore, read(0).PurgedBefore)
	assert.Error(t, horizon.NotePurge(t.Context(), pool, time.Now()), "nothing is purged that isn't refused")
}

// Answers tell of the horizon, and no JSON can have such years.
func TestAHorizonOfImpossibleYearsIsRefused(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for _, impossible := range []string{"infinity", "-infinity", "4713-01-01 BC", "9999-01-01Z", "294000-01-01Z"} {
		_, err := pool.Exec(t.Context(), `INSERT INTO learning_log_horizon (refused_before, raised_at) VALUES ($1::text::timestamptz, now())`, impossible)
		require.ErrorContains(t, err, "check constraint", impossible)
	}
	require.NoError(t, horizon.Raise(t.Context(), pool, 30*day, 0))
	for _, impossible := range []string{"-infinity", "4713-01-01 BC"} {
		_, err := pool.Exec(t.Context(), `UPDATE learning_log_horizon SET purged_before = $1::text::timestamptz`, impossible)
		require.ErrorContains(t, err, "check constraint", impossible)
	}
}

func TestAFollowerLearnsWhatOthersRaise(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	keeps, err := horizon.Follow(t.Context(), pool, 30*day, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now().Add(-30*day), keeps.RefusedBefore(), time.Minute, "at once")
	other, err := horizon.Follow(t.Context(), pool, 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	assert.Equal(t, keeps.Known(), other.Known(), "whoever keeps everything refuses it too")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		other.Run(ctx)
	}()

	require.NoError(t, horizon.Raise(t.Context(), pool, 7*day, 0))
	require.NoError(t, horizon.NotePurge(t.Context(), pool, time.Now().Add(-8*day)))

	assert.Eventually(t, func() bool {
		return time.Since(other.RefusedBefore()) < 8*day && time.Since(other.PurgedBefore()) < 9*day
	}, 10*time.Second, 10*time.Millisecond)
	stop()
	<-done
}

// The first wants to raise the horizon, and can't, because another holds its lock.
func TestAFollowerLearnsWhatOthersRaiseEvenIfItCanNotRaise(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	follower, err := horizon.Follow(t.Context(), pool, 30*day, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `UPDATE learning_log_horizon SET refused_before = refused_before - interval '1 day'`)
	require.NoError(t, err)
	purged := time.Now().Add(-32 * day).UTC().Truncate(time.Microsecond)
	require.NoError(t, horizon.NotePurge(t.Context(), pool, purged))
	other, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), `SELECT FROM learning_log_horizon FOR UPDATE`)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		follower.Run(ctx)
	}()

	assert.Eventually(t, func() bool { return follower.PurgedBefore().Equal(purged) }, 10*time.Second, 10*time.Millisecond)
	stop()
	<-done
	require.NoError(t, other.Rollback(t.Context()))
}

func TestAHorizonThatNeedsNotBeRaisedIsNotLocked(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	require.NoError(t, horizon.Raise(t.Context(), pool, 30*day, 0))
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()

	require.NoError(t, horizon.Raise(t.Context(), tx, 30*day, time.Hour))

	var writes bool
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT pg_current_xact_id_if_assigned() IS NOT NULL`).Scan(&writes))
	assert.False(t, writes)
}

func TestWhatIsKnownHoldsWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	var log bytes.Buffer
	follower, err := horizon.Follow(t.Context(), pool, 30*day, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	known := follower.Known()
	pool.Close()
	ctx, stop := context.WithTimeout(t.Context(), 9*time.Second) // for two looks
	defer stop()

	follower.Run(ctx)

	assert.Equal(t, known, follower.Known())
	assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("what is known holds")), "it is logged once")
}
