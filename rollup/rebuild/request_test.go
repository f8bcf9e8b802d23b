package rebuild_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

func TestRequestRebuildKnowsAnInstantInEveryZone(t *testing.T) {
	t.Parallel()
	jobs, err := rebuild.NewJobs(pgtest.Pool(t), rebuild.Config{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	utc := instant("2026-11-22T08:00:00Z")
	elsewhere := utc.In(time.FixedZone("", 3600))

	first, err := jobs.Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{RecordedSince: &utc}})
	require.NoError(t, err)
	second, err := jobs.Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{RecordedSince: &elsewhere}})
	require.NoError(t, err)

	assert.Equal(t, first.ID, second.ID)
	assert.False(t, first.Joined)
	assert.True(t, second.Joined)
	assert.False(t, second.Begun)
}

func TestCancelRebuild(t *testing.T) {
	t.Parallel()
	ctx, pool := context.Background(), pgtest.Pool(t)
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	state := func(id int64) rivertype.JobState {
		job, err := jobs.Client().JobGet(ctx, id)
		require.NoError(t, err)
		return job.State
	}
	waits, err := jobs.Request(ctx, rebuild.Args{})
	require.NoError(t, err)
	another, err := jobs.Request(ctx, rebuild.Args{DryRun: true})
	require.NoError(t, err)
	_, err = pool.Exec(ctx, `UPDATE river.river_job SET kind = 'another' WHERE id = $1`, another.ID)
	require.NoError(t, err)

	require.NoError(t, jobs.Cancel(ctx, waits.ID))
	assert.Equal(t, rivertype.JobStateCancelled, state(waits.ID), "it needn't wait for anybody")
	require.NoError(t, jobs.Cancel(ctx, waits.ID), "it has ended: nothing happens")

	require.ErrorIs(t, jobs.Cancel(ctx, another.ID), rebuild.ErrNotFound)
	assert.Equal(t, rivertype.JobStateAvailable, state(another.ID), "a job of another kind is left alone")
	require.ErrorIs(t, jobs.Cancel(ctx, another.ID+1), rebuild.ErrNotFound)

	again, err := jobs.Request(ctx, rebuild.Args{})
	require.NoError(t, err)
	assert.NotEqual(t, waits.ID, again.ID, "a cancelled rebuild doesn't keep another from being asked for")
}

func TestRequestRebuildRefusesAnEmptyRange(t *testing.T) {
	t.Parallel()
	from, to := date("2026-11-22"), date("2026-11-21")
	_, err := new(rebuild.Jobs).Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{From: &from, To: &to}})
	require.ErrorIs(t, err, rollup.ErrEmptyRange)
}

func TestRequestRebuildRefusesTooManyUsers(t *testing.T) {
	t.Parallel()
	users := make([]uuid.UUID, rebuild.MaxUsers+1)
	for i := range users {
		users[i] = uuid.New()
	}
	_, err := new(rebuild.Jobs).Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{Users: users}})
	require.ErrorIs(t, err, rebuild.ErrTooManyUsers)

	jobs, err := rebuild.NewJobs(pgtest.Pool(t), rebuild.Config{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	users[0] = users[1]
	_, err = jobs.Request(context.Background(), rebuild.Args{Scope: rebuild.Scope{Users: users}})
	require.NoError(t, err, "each counts once")
}
