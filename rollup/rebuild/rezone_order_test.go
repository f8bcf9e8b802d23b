package rebuild_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

// Otherwise a wrong re-zone that is still under way would overwrite the right one.
func TestTheLastReZoneHasTheLastWord(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	pool := pgtest.Open(t, url)
	var logs []command.Log
	for range 200 {
		logs = append(logs, unzoned(uuid.New(), 1, "2026-01-31T20:00:00Z"))
	}
	record(t, pool, logs...)
	replicas := []*rebuild.Jobs{newJobs(t, pool), newJobs(t, pgtest.Open(t, url))}
	var last rebuild.Requested
	for _, zone := range []string{"America/New_York", "Asia/Kolkata", "Europe/Berlin", "Asia/Tokyo"} {
		requested, err := replicas[0].Request(t.Context(), rebuild.Args{TimeZone: zone, Workers: 2})
		require.NoError(t, err)
		last = requested
	}

	for _, replica := range replicas {
		start(t, replica)
	}

	await(t, replicas[0], last.ID, "the last re-zone is completed", isCompleted)
	assert.Equal(t, 200, scan[int](t, pool, `SELECT count(*) FROM learning_log WHERE utc_offset = 9 * 60`))
	assert.Empty(t, pgtest.Drift(t, pool))
	unfinished := scan[int](t, pool, `SELECT count(*) FROM river.river_job WHERE args ? 'time_zone' AND finalized_at IS NULL`)
	assert.Zero(t, unfinished, "and those before have ended before it")
}
