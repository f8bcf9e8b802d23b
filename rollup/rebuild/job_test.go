package rebuild_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

func TestRebuilds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	jobs, err := rebuild.NewJobs(pgtest.Pool(t), rebuild.Config{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	user := uuid.New()
	first, err := jobs.Request(ctx, rebuild.Args{})
	require.NoError(t, err)
	second, err := jobs.Request(ctx, rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{user}}, DryRun: true})
	require.NoError(t, err)

	job, err := jobs.Get(ctx, second.ID)
	require.NoError(t, err)
	assert.Equal(t, second.ID, job.ID)
	assert.Equal(t, rebuild.Available, job.State)
	assert.Equal(t, rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{user}}, DryRun: true}, job.Args)
	assert.False(t, job.Ended())
	assert.Zero(t, job.Progress)

	rebuilds, err := jobs.List(ctx, 10)
	require.NoError(t, err)
	require.Len(t, rebuilds, 2)
	assert.Equal(t, []int64{second.ID, first.ID}, []int64{rebuilds[0].ID, rebuilds[1].ID}, "newest first")

	_, err = jobs.Get(ctx, second.ID+1)
	require.ErrorIs(t, err, rebuild.ErrNotFound)
}
