package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/redistest"
)

const (
	lookupsFound = `learninglog_lookups_total{result="found"}`
	heardOfLogs  = `learninglog_peers_logs_total{what="heard"}`
	toldOfLogs   = `learninglog_peers_logs_total{what="told"}`
)

// serveWithRedis starts a replica.
func serveWithRedis(t testing.TB, databaseURL string, redis *redistest.Server) *service {
	t.Helper()
	s, err := tryServeIn(t, append(environment(), "LEARNINGLOG_REDIS_URL="+redis.URL), "--database-url", databaseURL)
	require.NoError(t, err)
	return s
}

// waitUntilHears records logs in one replica until another has heard of one. It gives each log
// time to be heard of, so that nothing is on its way any more when it returns.
func (s *service) waitUntilHears(other *service) {
	s.t.Helper()
	const perLog = 2 * time.Second
	before := other.scrape()[heardOfLogs]
	var posted time.Time
	require.Eventually(s.t, func() bool {
		if time.Since(posted) > perLog {
			s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 1))
			posted = time.Now()
		}
		return other.scrape()[heardOfLogs] > before
	}, eventually, often, "it hears nothing")
}

// knows waits until a replica has looked up the log instead of writing it, and returns the
// answer to it.
func (s *service) knows(log string) answer {
	s.t.Helper()
	var found answer
	require.Eventually(s.t, func() bool {
		before := s.scrape()[lookupsFound]
		found = s.mustAnswer(http.MethodPost, "/v1/learning-logs?on_duplicate=return", log)
		return s.scrape()[lookupsFound] > before
	}, eventually, often)
	return found
}

// The first post of a log to the other replica would be answered in the same way without
// Redis, only not by a look-up.
func TestReplicasThatShareRedisKnowWhatTheOthersHaveRecorded(t *testing.T) {
	t.Parallel()
	redis, databaseURL := redistest.Start(t), pgtest.URL(t)
	one, other := serveWithRedis(t, databaseURL, redis), serveWithRedis(t, databaseURL, redis)
	one.waitUntilHears(other)
	heard, found := other.scrape()[heardOfLogs], other.scrape()[lookupsFound]
	id, user := uuid.New(), uuid.New()
	log := logWithID(id, user, 12, `"timestamp":"2026-01-14T23:30:00Z","time_zone":"Asia/Tokyo"`)
	recorded := one.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", log)
	require.Eventually(t, func() bool { return other.scrape()[heardOfLogs] > heard }, eventually, often)

	again := other.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs?on_duplicate=return", log)

	assert.Equal(t, string(recorded.body), string(again.body), "byte for byte")
	assert.InDelta(t, found+1, other.scrape()[lookupsFound], 0)
	assert.Contains(t, string(other.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", log).body), "/problems/already-recorded")

	one.mustCall(http.StatusOK, http.MethodDelete, "/v1/users/"+user.String()+"/learning-logs/"+id.String(), "")
	late := other.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs?on_duplicate=return", log)
	assert.Contains(t, string(late.body), "/problems/voided", "it is known, and was taken back")
	words, entries := other.sums(user, "?from=2026-01-01&to=2026-01-31")
	assert.Zero(t, words)
	assert.Zero(t, entries)

	for _, s := range []*service{one, other} {
		s.stop()
		assertNever(t, s.log.String(), redistest.Password, redis.URL, "level=WARN", "level=ERROR")
		assertNever(t, s.greeted, redistest.Password)
	}
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

// What Redis does, or doesn't, is told by the log and the metrics, and by no answer.
func TestPostsGoOnWhateverRedisDoes(t *testing.T) {
	t.Parallel()
	redis, databaseURL := redistest.Start(t), pgtest.URL(t)
	one, other := serveWithRedis(t, databaseURL, redis), serveWithRedis(t, databaseURL, redis)
	post := func() {
		t.Helper()
		for range 50 {
			log := newLog(uuid.New(), 1)
			one.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", log)
			one.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", log)
			other.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", log)
		}
	}
	one.waitUntilHears(other)
	post()
	redis.Freeze()
	begun := time.Now()
	post()
	t.Logf("150 posts took %s while Redis hung", time.Since(begun))
	timedOut := func() bool { return one.scrape()[`learninglog_peers_failures_total{reason="timeout"}`] > 0 }
	require.Eventually(t, timedOut, eventually, often)
	redis.Stop()
	post()
	require.Eventually(t, func() bool { return one.scrape()[`learninglog_peers_failures_total{reason="error"}`] > 0 }, eventually, often)
	redis.Start()
	one.waitUntilHears(other)
	post()
	assert.Contains(t, one.log.String(), "Redis is away")
	assertNever(t, one.log.String(), redistest.Password, redis.URL)
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

// As after a restore: what was told of a log says nothing of the database.
func TestALogOfWhichReplicasKnowAndTheDatabaseDoesNotIsRecorded(t *testing.T) {
	t.Parallel()
	redis, databaseURL := redistest.Start(t), pgtest.URL(t)
	one, other := serveWithRedis(t, databaseURL, redis), serveWithRedis(t, databaseURL, redis)
	one.waitUntilHears(other)
	user := uuid.New()
	log := newLog(user, 12)
	one.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", log)
	assert.Equal(t, http.StatusOK, other.knows(log).status)
	database, err := pgx.Connect(t.Context(), databaseURL)
	require.NoError(t, err)
	defer database.Close(t.Context())
	_, err = database.Exec(t.Context(), `TRUNCATE learning_log, learning_log_aggregates`)
	require.NoError(t, err)

	other.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", log)
	one.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", log)

	words, entries := one.total(user)
	assert.Equal(t, []int{12, 1}, []int{words, entries})
	assert.Positive(t, other.scrape()[`learninglog_lookups_total{result="not_found"}`])
}

func TestAServiceStartsWithoutItsRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	redis.Stop()
	s := serveWithRedis(t, pgtest.URL(t), redis)
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 1))
	redis.Start()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 1))
	require.Eventually(t, func() bool { return s.scrape()[toldOfLogs] > 0 }, eventually, often)
}

func TestAWrongRedisURLIsRefusedWithoutBeingShown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for _, url := range []string{"redis://:s3cr3t@host:port", "https://:s3cr3t@host", "s3cr3t"} {
		_, stderr, status := runIn(t, append(environment(), "LEARNINGLOG_REDIS_URL="+url), "serve", "--data-dir", dir)
		assert.NotZero(t, status)
		assert.Contains(t, stderr, "the Redis URL must be like redis://")
		assert.NotContains(t, stderr, "s3cr3t")
		_, stderr, status = run(t, "serve", "--data-dir", dir, "--redis-url", url)
		assert.NotZero(t, status)
		assert.NotContains(t, stderr, "s3cr3t")
	}
	_, err := os.Stat(dir)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
