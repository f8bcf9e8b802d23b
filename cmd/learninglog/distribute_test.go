package main_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/sharding"
)

func TestDistributingKeepsSealedDaysSettingsAndWhoWasErased(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.EmptyClusterURL(t)
	pool := pgtest.Open(t, databaseURL)
	s := serve(t, "--database-url", databaseURL)
	user, gone := uuid.New(), uuid.New()
	s.recordFor(5, user, gone)
	sealed := fmt.Sprintf(`{"user_id":"%s","day":"2025-03-01","total_word_count":500,"entry_count":40}`, user)
	restore := func() string {
		restored, err := s.send(http.MethodPost, "/v1/sealed-days", ndjson, sealed)
		require.NoError(t, err)
		return string(restored.body)
	}
	require.Contains(t, restore(), `"outcome":"recorded"`)
	s.set(user, `{"display_name":"Mia","freeze_days":3}`)
	s.mustCall(http.StatusAccepted, http.MethodDelete, "/v1/users/"+gone.String(), "")
	s.stop() // in the middle

	distribute := func() {
		_, stderr, status := run(t, "distribute", "--shards", "4", "--database-url", databaseURL)
		require.Zero(t, status, stderr)
	}
	distribute()
	distribute()

	shards, err := sharding.Read(t.Context(), pool)
	require.NoError(t, err)
	require.Equal(t, 4, shards.Count())
	s = serve(t, "--database-url", databaseURL)
	s.awaitErased(gone)
	s.mustCall(http.StatusGone, http.MethodPost, "/v1/learning-logs", newLog(gone, 1))
	assert.Contains(t, restore(), `"outcome":"already_recorded"`)
	assert.Contains(t, string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "").body), `"display_name":"Mia","freeze_days":3`)
	words, entries := s.sums(user, "?granularity=total")
	assert.Equal(t, []int{505, 41}, []int{words, entries})
	assert.Equal(t, map[string]int{"public.learninglog_erased_users": 1, "public.learninglog_audit": 1}, naming(t, pool, gone))
	assert.Empty(t, pgtest.Drift(t, pool))
	s.stop()

	_, stderr, status := run(t, "migrate", "down", "--to", "7", "--database-url", databaseURL)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "learners have settings (1)")
	_, err = pool.Exec(t.Context(), `DELETE FROM learning_log_settings`)
	require.NoError(t, err)
	_, stderr, status = run(t, "migrate", "down", "--to", "5", "--database-url", databaseURL)
	assert.Equal(t, 2, status, "version 5 knows neither")
	assert.Contains(t, stderr, "erased")
	_, stderr, status = run(t, "migrate", "down", "--to", "4", "--database-url", databaseURL)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "the tables are distributed over a cluster, which versions before 5 don't know")
	_, err = pool.Exec(t.Context(), `TRUNCATE learning_log, learning_log_sealed_days, learning_log_aggregates, learninglog_erased_users`)
	require.NoError(t, err)
	for _, arguments := range [][]string{{"migrate", "down", "--to", "5"}, {"migrate"}} {
		_, stderr, status := run(t, append(arguments, "--database-url", databaseURL)...)
		require.Zero(t, status, stderr)
	}
	shards, err = sharding.Read(t.Context(), pool)
	require.NoError(t, err)
	require.Equal(t, 4, shards.Count(), "sealed days and settings are distributed as before")
	s = serve(t, "--database-url", databaseURL)
	s.set(user, `{"display_name":"Mia"}`)
	require.Contains(t, restore(), `"outcome":"recorded"`)
	assert.Empty(t, pgtest.Drift(t, pool))
	s.stop()
	_, stderr, status = run(t, "migrate", "down", "--yes", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	_, stderr, status = run(t, "migrate", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
}
