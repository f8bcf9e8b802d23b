package metrics //nolint:testpackage // the tests decide when samples are taken

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
)

func TestRecentRates(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	requests, writes := NewRequests(registry), NewWrites(registry)
	r := NewRecent(Sources{Requests: requests, PostRoute: "/v1/learning-logs", Writes: writes})
	begin := time.Now()
	look := func(after time.Duration) sample {
		taken, err := r.sample(begin.Add(after))
		require.NoError(t, err)
		return taken
	}
	answer := func(route string, status int, took time.Duration) {
		requests.Begun()
		requests.Ended(route, "POST", status, took)
	}
	_, known := r.since(time.Minute, look(0))
	assert.False(t, known, "one look tells no rate")
	r.keep(look(0))
	_, known = r.since(time.Minute, look(100*time.Millisecond))
	assert.False(t, known, "nor do two at about the same time")

	for range 98 {
		answer("/v1/learning-logs", 201, 2*time.Millisecond)
	}
	answer("/v1/learning-logs", 409, 20*time.Millisecond)
	answer("/v1/learning-logs", 503, time.Minute)
	answer("/v1/rebuilds", 500, time.Millisecond)
	writes.Wrote(command.Batch{Logs: 98, Outcomes: map[command.Status]int{command.Recorded: 98, command.AlreadyRecorded: 1}})

	found, known := r.since(time.Minute, look(10*time.Second))
	require.True(t, known)
	want := Rates{
		Within: 10 * time.Second, Logs: 9.8, Posts: 10, Failures: 2,
		Median: 2500 * time.Microsecond, P95: 2500 * time.Microsecond, P99: 25 * time.Millisecond,
	}
	assert.Equal(t, want, found)
	all, err := r.Rates(begin.Add(10 * time.Second))
	require.NoError(t, err)
	assert.Equal(t, []Rates{want}, all, "of longer, no more is known")
	r.keep(look(10 * time.Second))
	found, known = r.since(10*time.Second, look(20*time.Second))
	require.True(t, known)
	assert.Equal(t, Rates{Within: 10 * time.Second}, found, "nothing happened since")
	found, _ = r.since(time.Minute, look(20*time.Second))
	assert.InDelta(t, 4.9, found.Logs, 1e-9)

	for second := range 600 {
		r.keep(look(time.Duration(second) * time.Second))
	}
	assert.LessOrEqual(t, len(r.samples), 310, "what is old is forgotten")
}

func TestGaugesAreReadNow(t *testing.T) {
	t.Parallel()
	r := NewRecent(Sources{Queue: waiting{}, Pool: idlePool(t)})
	assert.Equal(t, Gauges{MaxConnections: 3, Waiting: 7, MaxWaiting: 20}, r.Gauges())
}

type waiting struct{}

func (waiting) Waiting() int    { return 7 }
func (waiting) MaxWaiting() int { return 20 }

func (waiting) MaxWaitingPerCaller() int { return 10 }

// idlePool has at most 3 connections, and nobody opens any.
func idlePool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), "postgres:///?pool_max_conns=3")
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}
