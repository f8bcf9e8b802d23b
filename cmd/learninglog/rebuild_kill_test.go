package main_test

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// A service is killed at random moments of a rebuild while clients write. Each time
// it continues the rebuild within seconds after its restart. No chunk is repeated
// after its commit, and one pass repairs everything that was corrupted.
func TestARebuildIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	const users, kills, workers = 3000, 6, 2 // the same number of users as below
	databaseURL := pgtest.URL(t)
	arguments := []string{"--database-url", databaseURL, "--rebuild-chunk-logs=10"}
	var s atomic.Pointer[service]
	s.Store(serve(t, arguments...))
	execute(t, databaseURL, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), gen_random_uuid(), 5, now() - n * interval '1 minute' FROM generate_series(1, 3000) AS n`)
	execute(t, databaseURL, `
		INSERT INTO learning_log_aggregates
		SELECT user_id, granularity::learning_log_granularity, date_trunc(granularity, "timestamp" AT TIME ZONE 'UTC'), sum(word_count), count(*)
		FROM learning_log, unnest(ARRAY['day', 'week', 'month']) AS granularity GROUP BY 1, 2, 3`)
	l := newLoad(t, func() string { return s.Load().base })
	for _, user := range l.users {
		s.Load().mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
	}
	l.start()
	l.waitForMore(10)
	execute(t, databaseURL, `
		UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1 + (random() * 9)::int
		WHERE random() < 0.01`)
	corrupted := len(pgtest.Drift(t, pgtest.Open(t, databaseURL)))
	require.Positive(t, corrupted)

	path := s.Load().mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds",
		`{"workers": 2, "max_logs_per_second": 0}`).header.Get("Location")
	var now struct {
		State    string
		Progress struct {
			Users    int `json:"users_done"`
			Repaired int `json:"rows_repaired"`
		}
	}
	watch := func() bool {
		s.Load().mustCall(http.StatusOK, http.MethodGet, path, "").decode(t, &now)
		return now.State == "completed"
	}
	for range kills {
		before := now.Progress.Users
		await(t, "it goes on", func() (int, bool) {
			ended := watch()
			return now.Progress.Users, ended || now.Progress.Users > before+20*workers
		})
		require.NotEqual(t, "completed", now.State, "the kills came before the end")
		time.Sleep(rand.N(150 * time.Millisecond))
		s.Load().kill()
		s.Store(serve(t, arguments...))
	}
	await(t, "it ends", func() (int, bool) {
		ended := watch()
		return now.Progress.Users, ended
	})

	assert.Equal(t, users+len(l.users), now.Progress.Users, "every user is in one chunk that was committed")
	assert.Equal(t, corrupted, now.Progress.Repaired, "one pass repairs everything, and nothing twice")
	l.stop()
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}
