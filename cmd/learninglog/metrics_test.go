package main_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// series are the values of a scrape by name and labels.
type series map[string]float64

func (s *service) scrape() series {
	s.t.Helper()
	return s.read(s.mustCall(http.StatusOK, http.MethodGet, "/metrics", "").body)
}

func (s *service) read(body []byte) series {
	s.t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	require.NoError(s.t, err, "%s", body)
	scraped := make(series)
	for _, family := range families {
		samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, family)
		require.NoError(s.t, err)
		for _, sample := range samples {
			scraped[sample.Metric.String()] = float64(sample.Value)
		}
	}
	return scraped
}

// awaitSeries waits until series have the wanted values. A request is counted a
// moment after its response was sent.
func (s *service) awaitSeries(want series) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(t *assert.CollectT) {
		got := s.scrape()
		for name, value := range want {
			if assert.Contains(t, got, name) {
				assert.InDelta(t, value, got[name], 1e-9, name)
			}
		}
	}, eventually, often)
}

func requests(method, route string, status int) string {
	return fmt.Sprintf(`learninglog_http_request_duration_seconds_count{method="%s", route="%s", status="%d"}`, method, route, status)
}

func TestMetricsCountWhatWasPosted(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()
	const posts, batches = "/v1/learning-logs", "/v1/learning-logs/batch"

	s.mustCall(http.StatusCreated, http.MethodPost, posts, logWithID(id, user, 12))
	s.mustCall(http.StatusConflict, http.MethodPost, posts, logWithID(id, user, 12))
	s.mustCall(http.StatusOK, http.MethodPost, posts+"?on_duplicate=return", logWithID(id, user, 12))
	s.mustCall(http.StatusConflict, http.MethodPost, posts, logWithID(id, user, 13))
	s.mustCall(http.StatusUnprocessableEntity, http.MethodPost, posts, newLog(user, -1))
	s.mustCall(http.StatusUnprocessableEntity, http.MethodPost, posts, newLog(user, 1, `"timestamp":"2999-01-01T00:00:00Z"`))
	s.mustCall(http.StatusBadRequest, http.MethodPost, posts, "{")
	s.mustCall(http.StatusOK, http.MethodPost, batches, "["+strings.Join([]string{
		newLog(user, 1), newLog(user, 2), newLog(user, 3),
		logWithID(id, user, 12), logWithID(id, user, 13),
		newLog(user, -1), newLog(user, 1, `"timestamp":"2999-01-01T00:00:00Z"`), `"not an object"`,
	}, ",")+"]")

	s.awaitSeries(series{
		`learninglog_logs_total{outcome="recorded"}`:            1 + 3,
		`learninglog_logs_total{outcome="already_recorded"}`:    2 + 1,
		`learninglog_logs_total{outcome="request_id_reused"}`:   1 + 1,
		`learninglog_logs_total{outcome="invalid"}`:             2 + 3,
		`learninglog_logs_total{outcome="failed"}`:              0,
		`learninglog_lookups_total{result="found"}`:             3, // the single posts of a log that is recorded
		`learninglog_lookups_total{result="not_found"}`:         0,
		`learninglog_batch_logs_sum`:                            1 + 5,
		`learninglog_batch_logs_count`:                          2,
		`learninglog_batch_calls_sum`:                           2,
		`learninglog_batch_duration_seconds_count`:              2,
		`learninglog_queue_wait_seconds_count`:                  2,
		`learninglog_queue_logs`:                                0,
		`learninglog_queue_max_logs`:                            20_000,
		`learninglog_http_requests_in_flight`:                   1, // the scrape itself
		requests("POST", posts, http.StatusCreated):             1,
		requests("POST", posts, http.StatusOK):                  1,
		requests("POST", posts, http.StatusConflict):            2,
		requests("POST", posts, http.StatusUnprocessableEntity): 2,
		requests("POST", posts, http.StatusBadRequest):          1,
		requests("POST", batches, http.StatusOK):                1,
	})
}

func TestMetricsOfARebuild(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "")
	s.awaitSeries(series{
		`learninglog_jobs_up`: 1,
		`learninglog_jobs{kind="rebuild", state="completed"}`:                         1,
		`learninglog_jobs{kind="rebuild", state="running"}`:                           0,
		`learninglog_job_duration_seconds_count{kind="rebuild", outcome="completed"}`: 1,
		requests("POST", "/v1/rebuilds", http.StatusAccepted):                         1,
	})
}

// Nothing that callers send is in it, but only why it was worth nothing.
func TestMetricsOfThoseWhoAreTurnedAway(t *testing.T) {
	t.Parallel()
	p, database := newProvider(t), pgtest.URL(t)
	s := serve(t, p.flags(t, database)...)
	p.knows(s)
	operator := newKey(t, database, "--scopes=rebuilds")
	revoked, expired := newKey(t, database, "--scopes=logs:read"), newKey(t, database, "--scopes=logs:read")
	_, problems, status := run(t, "key", "revoke", "2", "--database-url", database)
	require.Zero(t, status, problems)
	_, err := pgtest.Open(t, database).Exec(t.Context(), `UPDATE learninglog_keys SET expires_at = now(), changed_at = clock_timestamp() WHERE key_id = 3`)
	require.NoError(t, err)
	ask := func(key string) int { return s.with(key, http.MethodGet, "/v1/rebuilds", "", "").status }

	ask("")
	ask(operator)
	for _, key := range []string{revoked, expired} { // which the service may know from before
		await(t, "the key is worth nothing", func() (int, bool) {
			status := ask(key)
			return status, status == http.StatusUnauthorized
		})
	}
	ask(newKey(t, pgtest.URL(t), "--scopes=rebuilds")) // of another database
	ask(operator[:len(operator)-1])
	ask("a.b.c")
	newVisitor(t).goTo(s.base+"/login/callback?state=x&code=x", nil)

	scraped := s.with(operator, http.MethodGet, "/metrics", "", "")
	require.Equal(t, http.StatusOK, scraped.status)
	read := s.read(scraped.body)
	for reason, want := range map[string]float64{
		"revoked": 1, "expired": 1, "unknown": 1, "malformed": 1, "token": 1, "login": 1, "session": 0, "held_up": 0,
	} {
		name := `learninglog_authentication_failures_total{reason="` + reason + `"}`
		require.Contains(t, read, name)
		assert.InDelta(t, want, read[name], 1e-9, reason)
	}
	assert.NotContains(t, string(scraped.body), "llk_")
}

// The number of series is bounded, whatever clients send.
func TestMetricsAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	ask := func(n int) {
		id := uuid.NewString()
		s.mustCall(http.StatusNotFound, http.MethodGet, "/"+id, "")
		s.mustCall(http.StatusNotFound, http.MethodGet, "/v1/users/"+id+"/learning-logs/"+id, "")
		s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+id+"/summary?from=2025-11-01&to=2025-11-02", "")
		s.mustCall(http.StatusMethodNotAllowed, fmt.Sprintf("BREW%d", n), "/v1/rebuilds", "")
	}
	ask(0)
	want := series{
		requests("GET", "unmatched", http.StatusNotFound):                                      1,
		requests("GET", "/v1/users/{user_id}/learning-logs/{request_id}", http.StatusNotFound): 1,
		requests("GET", "/v1/users/{user_id}/summary", http.StatusOK):                          1,
		requests("other", "unmatched", http.StatusMethodNotAllowed):                            1,
	}
	s.awaitSeries(want)
	before := s.scrape() // it includes the earlier scrapes

	const more = 30
	for n := range more {
		ask(n + 1)
	}

	for name := range want {
		want[name] += more
	}
	s.awaitSeries(want)
	assert.Len(t, s.scrape(), len(before))
}

// While the database is unavailable, a scrape succeeds quickly, without the metrics
// that only the database knows.
func TestMetricsWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "")
	const completed = `learninglog_jobs{kind="rebuild", state="completed"}`
	s.awaitSeries(series{completed: 1, "learninglog_jobs_up": 1})

	allowConnections(t, databaseURL, false)
	s.mustCall(http.StatusServiceUnavailable, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 12))
	s.awaitSeries(series{
		"learninglog_jobs_up":                                                0,
		`learninglog_logs_total{outcome="failed"}`:                           1,
		requests("POST", "/v1/learning-logs", http.StatusServiceUnavailable): 1,
	})
	assert.NotContains(t, s.scrape(), completed)
	assert.True(t, s.log.contains("counting jobs: "))

	allowConnections(t, databaseURL, true)
	s.awaitSeries(series{completed: 1, "learninglog_jobs_up": 1})
}

// allowConnections allows connections to a database, or closes and refuses them.
func allowConnections(t testing.TB, databaseURL string, allow bool) {
	t.Helper()
	address, err := url.Parse(databaseURL)
	require.NoError(t, err)
	name := strings.TrimPrefix(address.Path, "/")
	address.Path = "/postgres"
	connection, err := pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	defer func() { _ = connection.Close(t.Context()) }()
	_, err = connection.Exec(t.Context(), fmt.Sprintf(`ALTER DATABASE %s ALLOW_CONNECTIONS %t`, name, allow))
	require.NoError(t, err)
	if !allow {
		_, err = connection.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, name)
		require.NoError(t, err)
	}
}

func TestMetricsAreWellFormed(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 12))
	s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "")
	s.awaitSeries(series{`learninglog_job_duration_seconds_count{kind="rebuild", outcome="completed"}`: 1})

	text := s.mustCall(http.StatusOK, http.MethodGet, "/metrics", "")
	problems, err := promlint.New(bytes.NewReader(text.body)).Lint()
	require.NoError(t, err)
	assert.Empty(t, problems)
	assert.Contains(t, string(text.body), "\nlearninglog_build_info{")
	assert.Contains(t, string(text.body), "\ngo_goroutines ")
	assert.Contains(t, string(text.body), "\nprocess_cpu_seconds_total ")

	request, err := http.NewRequest(http.MethodGet, s.base+"/metrics", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	assert.True(t, strings.HasPrefix(response.Header.Get("Content-Type"), "application/openmetrics-text"))

	for line := range strings.Lines(s.log.String()) {
		assert.False(t, strings.Contains(line, "path=/metrics") && !strings.Contains(line, "level=DEBUG"), line)
	}
}
