package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/metrics"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// seriesOf returns the values of a scrape by name and labels, and an error if
// something is missing.
func seriesOf(t testing.TB, registry prometheus.Gatherer) (map[string]float64, error) {
	t.Helper()
	families, missing := registry.Gather()
	samples, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, families...)
	require.NoError(t, err)
	series := make(map[string]float64, len(samples))
	for _, sample := range samples {
		series[sample.Metric.String()] = float64(sample.Value)
	}
	return series, missing
}

func mustSeriesOf(t testing.TB, registry prometheus.Gatherer) map[string]float64 {
	t.Helper()
	series, missing := seriesOf(t, registry)
	require.NoError(t, missing)
	return series
}

// assertSeries checks that the registry has the wanted series.
func assertSeries(t testing.TB, registry prometheus.Gatherer, want map[string]float64) {
	t.Helper()
	got := mustSeriesOf(t, registry)
	for name, value := range want {
		if assert.Contains(t, got, name) {
			assert.InDelta(t, value, got[name], 1e-9, name)
		}
	}
}

func TestRequestsAreCountedByRouteMethodAndStatus(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	requests := metrics.NewRequests(registry)

	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for range 100 {
				requests.Begun()
				requests.Ended("/v1/learning-logs", "POST", 201, time.Second)
				requests.Begun()
				requests.Ended("/v1/learning-logs", "POST", 409, time.Millisecond)
			}
		})
	}
	clients.Wait()
	requests.Begun()

	const duration = "learninglog_http_request_duration_seconds"
	assertSeries(t, registry, map[string]float64{
		duration + `_count{method="POST", route="/v1/learning-logs", status="201"}`: 800,
		duration + `_sum{method="POST", route="/v1/learning-logs", status="201"}`:   800,
		duration + `_count{method="POST", route="/v1/learning-logs", status="409"}`: 800,
		duration + `_sum{method="POST", route="/v1/learning-logs", status="409"}`:   0.8,
		"learninglog_http_requests_in_flight":                                       1,
	})
}

func TestWritesCountWhatBecameOfLogs(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	writes := metrics.NewWrites(registry)

	writes.Wrote(command.Batch{
		Logs:     7,
		Calls:    2,
		Waited:   []time.Duration{250 * time.Millisecond, 500 * time.Millisecond},
		Took:     2 * time.Second,
		Retries:  3,
		Outcomes: map[command.Status]int{command.Recorded: 6, command.AlreadyRecorded: 1},
		Voids:    map[command.Status]int{command.Voided: 2, command.Unknown: 1},
	})
	writes.LookedUp(command.Lookup{Outcomes: map[command.Status]int{command.AlreadyRecorded: 3, command.Voided: 1}, Unknown: 2})
	writes.LookedUp(command.Lookup{Unknown: 5, Err: errors.New("it is away")})
	writes.Refused(command.Invalid, 4)
	writes.Refused(command.Failed, 5)
	writes.RefusedVoids(3)

	assertSeries(t, registry, map[string]float64{
		`learninglog_logs_total{outcome="recorded"}`:          6,
		`learninglog_logs_total{outcome="already_recorded"}`:  1 + 3,
		`learninglog_logs_total{outcome="request_id_reused"}`: 0,
		`learninglog_logs_total{outcome="invalid"}`:           4,
		`learninglog_logs_total{outcome="voided"}`:            1,
		`learninglog_logs_total{outcome="replaced_unknown"}`:  0,
		`learninglog_logs_total{outcome="failed"}`:            5,
		`learninglog_voids_total{outcome="voided"}`:           2,
		`learninglog_voids_total{outcome="already_voided"}`:   0,
		`learninglog_voids_total{outcome="unknown"}`:          1,
		`learninglog_voids_total{outcome="failed"}`:           3,
		`learninglog_batch_logs_count`:                        1,
		`learninglog_batch_logs_sum`:                          7,
		`learninglog_batch_calls_sum`:                         2,
		`learninglog_batch_duration_seconds_sum`:              2,
		`learninglog_batch_retries_total`:                     3,
		`learninglog_queue_wait_seconds_count`:                2,
		`learninglog_queue_wait_seconds_sum`:                  0.75,
		`learninglog_lookups_total{result="found"}`:           4,
		`learninglog_lookups_total{result="not_found"}`:       2,
		`learninglog_lookups_total{result="failed"}`:          5,
	})
}

func TestPeersCountWhatTheyTell(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	peers := metrics.NewPeers(registry)

	peers.Told(3)
	peers.Heard(4)
	peers.Dropped(5)
	peers.Failed(true)
	peers.Failed(false)
	peers.Failed(false)

	assertSeries(t, registry, map[string]float64{
		`learninglog_peers_logs_total{what="told"}`:          3,
		`learninglog_peers_logs_total{what="heard"}`:         4,
		`learninglog_peers_logs_total{what="dropped"}`:       5,
		`learninglog_peers_failures_total{reason="timeout"}`: 1,
		`learninglog_peers_failures_total{reason="error"}`:   2,
	})
}

func TestFailuresAreCountedByWhy(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	failures := metrics.NewAuthentication(registry)

	failures.Failed(access.Expired)
	failures.Failed(access.Expired)
	failures.Failed(access.HeldUp)

	assert.Equal(t, map[string]float64{
		`learninglog_authentication_failures_total{reason="malformed"}`: 0,
		`learninglog_authentication_failures_total{reason="unknown"}`:   0,
		`learninglog_authentication_failures_total{reason="expired"}`:   2,
		`learninglog_authentication_failures_total{reason="revoked"}`:   0,
		`learninglog_authentication_failures_total{reason="session"}`:   0,
		`learninglog_authentication_failures_total{reason="token"}`:     0,
		`learninglog_authentication_failures_total{reason="login"}`:     0,
		`learninglog_authentication_failures_total{reason="held_up"}`:   1,
	}, mustSeriesOf(t, registry))
}

// queue is a queue with a given length.
type queue struct{ waiting, most int }

func (q queue) Waiting() int    { return q.waiting }
func (q queue) MaxWaiting() int { return q.most }

func (q queue) MaxWaitingPerCaller() int { return q.most / 2 }

func TestQueueIsAskedAtEveryScrape(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	q := &queue{waiting: 3, most: 20_000}
	metrics.RegisterQueue(registry, q)

	assertSeries(t, registry, map[string]float64{"learninglog_queue_logs": 3, "learninglog_queue_max_logs": 20_000})
	q.waiting = 5
	assertSeries(t, registry, map[string]float64{"learninglog_queue_logs": 5})
}

func TestPoolShowsItsConnections(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	registry := prometheus.NewRegistry()
	metrics.RegisterPool(registry, pool)
	connections := make([]*pgxpool.Conn, 2)
	for i := range connections {
		var err error
		connections[i], err = pool.Acquire(t.Context())
		require.NoError(t, err)
	}

	before := mustSeriesOf(t, registry)
	for _, connection := range connections {
		connection.Release()
	}
	after := mustSeriesOf(t, registry)

	const acquired, idle = `learninglog_pool_connections{state="acquired"}`, `learninglog_pool_connections{state="idle"}`
	assert.Equal(t, []float64{2, 0}, []float64{before[acquired], before[idle]})
	assert.Equal(t, []float64{0, 2}, []float64{after[acquired], after[idle]})
	assert.Equal(t, int(pool.Config().MaxConns), int(after["learninglog_pool_max_connections"]))
	assert.GreaterOrEqual(t, after["learninglog_pool_connections_opened_total"], 2.0)
	assert.Positive(t, after["learninglog_pool_acquires_total"])
	assert.Positive(t, after["learninglog_pool_acquire_seconds_total"])
}

func TestJobsAreCountedByKindAndState(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	_, err := pool.Exec(t.Context(), `
		INSERT INTO river.river_job (kind, state, args, max_attempts, finalized_at)
		VALUES ('rebuild', 'available', '{}', 25, NULL), ('rebuild', 'available', '{}', 25, NULL),
		       ('rebuild', 'discarded', '{}', 25, now())`)
	require.NoError(t, err)
	registry := prometheus.NewRegistry()
	metrics.RegisterJobs(registry, pool, postgres.RiverSchema)

	assertSeries(t, registry, map[string]float64{
		`learninglog_jobs{kind="rebuild", state="available"}`: 2,
		`learninglog_jobs{kind="rebuild", state="discarded"}`: 1,
		`learninglog_jobs{kind="rebuild", state="running"}`:   0,
		`learninglog_jobs_up`:                                 1,
	})
}

func TestVerificationsAreThoseInTheDatabase(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	registry := prometheus.NewRegistry()
	metrics.RegisterVerifications(registry, newJobs(t, pool))
	assert.Empty(t, mustSeriesOf(t, registry), "nothing was verified yet")

	_, err := pool.Exec(t.Context(), `
		INSERT INTO learning_log_verifications
		VALUES ('routine', 1, '2026-11-22T08:00:00Z', '2026-11-22T08:00:10.5Z', 7, 9, 5, 2, '{}', gen_random_uuid()),
		       ('everything', 2, '2026-11-22T08:00:00Z', '2026-11-22T08:00:20Z', 8, 10, 0, 0, '{}', gen_random_uuid())`)
	require.NoError(t, err)

	at := float64(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).Unix())
	assertSeries(t, registry, map[string]float64{
		`learninglog_drift_rows{verification="routine"}`:                    3,
		`learninglog_verified_timestamp_seconds{verification="routine"}`:    at + 10.5,
		`learninglog_verified_users{verification="routine"}`:                7,
		`learninglog_verified_logs{verification="routine"}`:                 9,
		`learninglog_drift_rows{verification="everything"}`:                 0,
		`learninglog_verified_timestamp_seconds{verification="everything"}`: at + 20,
	})
}

func TestPausedQueues(t *testing.T) {
	t.Parallel()
	registry, pool := prometheus.NewRegistry(), pgtest.Pool(t)
	metrics.RegisterPauses(registry, newJobs(t, pool))
	_, err := pool.Exec(t.Context(), `
		INSERT INTO `+postgres.RiverSchema+`.river_queue (name, updated_at, paused_at)
		VALUES ('default', now(), NULL), ('routine', now(), now())`)
	require.NoError(t, err)
	assertSeries(t, registry, map[string]float64{
		`learninglog_job_queue_paused{queue="default"}`: 0,
		`learninglog_job_queue_paused{queue="routine"}`: 1,
	})
}

func newJobs(t *testing.T, pool *pgxpool.Pool) *rebuild.Jobs {
	t.Helper()
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{Schema: postgres.RiverSchema, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return jobs
}

// away is an unavailable database; silent is one that doesn't answer.
type (
	away   struct{}
	silent struct{}
)

func (away) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, errors.New("it is away")
}

func (silent) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(10 * time.Second):
		return nil, errors.New("the scrape is still waiting")
	}
}

func (away) Verifications(context.Context) ([]rebuild.Verification, error) {
	return nil, errors.New("reading what was verified: it is away")
}

func (away) Queues(context.Context) ([]rebuild.Queue, error) {
	return nil, errors.New("listing the queues: it is away")
}

func (silent) Queues(ctx context.Context) ([]rebuild.Queue, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("listing the queues: %w", ctx.Err())
}

func (silent) Verifications(ctx context.Context) ([]rebuild.Verification, error) {
	<-ctx.Done()
	return nil, fmt.Errorf("reading what was verified: %w", ctx.Err())
}

// A scrape is needed most while the database is unavailable: it omits the jobs, and
// says so.
func TestJobsOfADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	for reason, db := range map[string]interface {
		Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
		Verifications(ctx context.Context) ([]rebuild.Verification, error)
		Queues(ctx context.Context) ([]rebuild.Queue, error)
	}{
		"it is away":                away{},
		"context deadline exceeded": silent{},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			metrics.RegisterJobs(registry, db, postgres.RiverSchema)
			metrics.RegisterVerifications(registry, db)
			metrics.RegisterPauses(registry, db)
			metrics.NewWrites(registry)

			series, missing := seriesOf(t, registry)

			require.ErrorContains(t, missing, "counting jobs: "+reason, "whoever serves the scrape can log why")
			require.ErrorContains(t, missing, "reading what was verified: "+reason)
			require.ErrorContains(t, missing, "listing the queues: "+reason)
			assert.Contains(t, series, "learninglog_jobs_up")
			assert.Zero(t, series["learninglog_jobs_up"])
			assert.Contains(t, series, `learninglog_logs_total{outcome="recorded"}`)
		})
	}
}

// attempts is a client that reports the events sent to it.
type attempts chan *river.Event

func (a attempts) Subscribe(...river.EventKind) (events <-chan *river.Event, cancel func()) {
	return a, func() { close(a) }
}

func TestAttemptsAreTimedByHowTheyEnd(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	client := make(attempts)
	metrics.RegisterAttempts(registry, client)
	defer close(client)

	for _, kind := range []river.EventKind{river.EventKindJobFailed, river.EventKindJobCompleted, river.EventKindJobCompleted} {
		client <- &river.Event{
			Kind:     kind,
			Job:      &rivertype.JobRow{Kind: "rebuild"},
			JobStats: &river.JobStatistics{RunDuration: 3 * time.Second},
		}
	}

	const duration = "learninglog_job_duration_seconds"
	require.Eventually(t, func() bool {
		series := mustSeriesOf(t, registry)
		return series[duration+`_count{kind="rebuild", outcome="completed"}`] == 2 &&
			series[duration+`_sum{kind="rebuild", outcome="failed"}`] == 3
	}, time.Minute, time.Millisecond)
}

func TestNamesFollowTheConventions(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	registry := metrics.NewRegistry("1.2.3", "abc")
	metrics.RegisterPool(registry, pool)
	metrics.RegisterJobs(registry, pool, postgres.RiverSchema)
	metrics.RegisterVerifications(registry, newJobs(t, pool))
	metrics.RegisterPauses(registry, newJobs(t, pool))
	metrics.RegisterQueue(registry, queue{})
	metrics.NewWrites(registry)
	metrics.NewRequests(registry).Ended("/", "GET", 200, 0)

	problems, err := testutil.GatherAndLint(registry)

	require.NoError(t, err)
	assert.Empty(t, problems)
	assertSeries(t, registry, map[string]float64{`learninglog_build_info{revision="abc", version="1.2.3"}`: 1})
}
