package query_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/query"
	"learninglog/rollup"
)

func TestRebuilds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	jobs, err := rollup.NewJobs(pgtest.Pool(t), rollup.JobsConfig{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	user := uuid.New()
	first, err := command.RequestRebuild(ctx, jobs.Client(), rollup.RebuildArgs{})
	require.NoError(t, err)
	second, err := command.RequestRebuild(ctx, jobs.Client(), rollup.RebuildArgs{Scope: rollup.Scope{Users: []uuid.UUID{user}}, DryRun: true})
	require.NoError(t, err)

	rebuild, err := query.GetRebuild(ctx, jobs.Client(), second.ID)
	require.NoError(t, err)
	assert.Equal(t, second.ID, rebuild.ID)
	assert.Equal(t, rivertype.JobStateAvailable, rebuild.State)
	assert.Equal(t, rollup.RebuildArgs{Scope: rollup.Scope{Users: []uuid.UUID{user}}, DryRun: true}, rebuild.Args)
	assert.False(t, rebuild.Ended())
	assert.Zero(t, rebuild.Progress)

	rebuilds, err := query.ListRebuilds(ctx, jobs.Client(), 10)
	require.NoError(t, err)
	require.Len(t, rebuilds, 2)
	assert.Equal(t, []int64{second.ID, first.ID}, []int64{rebuilds[0].ID, rebuilds[1].ID}, "newest first")

	_, err = query.GetRebuild(ctx, jobs.Client(), second.ID+1)
	require.ErrorIs(t, err, query.ErrNotFound)
}
