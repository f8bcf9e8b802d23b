package command_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup"
)

func TestRequestRebuildKnowsAnInstantInEveryZone(t *testing.T) {
	t.Parallel()
	jobs, err := rollup.NewJobs(pgtest.Pool(t), rollup.JobsConfig{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	utc := instant("2026-11-22T08:00:00Z")
	elsewhere := utc.In(time.FixedZone("", 3600))

	first, err := command.RequestRebuild(context.Background(), jobs.Client(), rollup.RebuildArgs{Scope: rollup.Scope{From: &utc}})
	require.NoError(t, err)
	second, err := command.RequestRebuild(context.Background(), jobs.Client(), rollup.RebuildArgs{Scope: rollup.Scope{From: &elsewhere}})
	require.NoError(t, err)

	assert.Equal(t, first, second)
}

func TestRequestRebuildRefusesAnEmptyRange(t *testing.T) {
	t.Parallel()
	from, to := instant("2026-11-22T08:00:00Z"), instant("2026-11-21T08:00:00Z")
	_, err := command.RequestRebuild(context.Background(), nil, rollup.RebuildArgs{Scope: rollup.Scope{From: &from, To: &to}})
	require.ErrorIs(t, err, command.ErrEmptyRange)
}
