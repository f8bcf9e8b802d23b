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

func TestTheLastHourIsKnownByTheMinute(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	requests, writes := NewRequests(registry), NewWrites(registry)
	r := NewRecent(Sources{Requests: requests, PostRoute: "/v1/learning-logs", Writes: writes})
	begin := time.Now()
	keep := func(after time.Duration) {
		taken, err := r.sample(begin.Add(after))
		require.NoError(t, err)
		r.keep(taken)
	}
	hour := func(after time.Duration) []Rates {
		minutes, err := r.Hour(begin.Add(after))
		require.NoError(t, err)
		return minutes
	}
	answer := func(route string, status int, took time.Duration) {
		requests.Begun()
		requests.Ended(route, "POST", status, took)
	}
	assert.Empty(t, hour(0), "one look tells no rate")
	keep(0)
	assert.Empty(t, hour(100*time.Millisecond), "nor do two at about the same time")

	for range 98 {
		answer("/v1/learning-logs", 201, 2*time.Millisecond)
	}
	answer("/v1/learning-logs", 409, 20*time.Millisecond)
	answer("/v1/learning-logs", 503, time.Minute)
	answer("/v1/rebuilds", 500, time.Millisecond)
	writes.Wrote(command.Batch{Logs: 98, Outcomes: map[command.Status]int{command.Recorded: 98, command.AlreadyRecorded: 1}})

	want := Rates{
		Within: 10 * time.Second, Logs: 9.8, Posts: 10, Failures: 2,
		Median: 2500 * time.Microsecond, P95: 2500 * time.Microsecond, P99: 25 * time.Millisecond,
	}
	assert.Equal(t, []Rates{want}, hour(10*time.Second), "of a young process, a part of a minute")
	for after := 10 * time.Second; after <= time.Minute; after += 10 * time.Second {
		keep(after)
	}
	minute := want
	minute.Within, minute.Logs, minute.Posts = time.Minute, 98.0/60, 100.0/60
	assert.Equal(t, []Rates{minute}, hour(time.Minute))
	assert.Equal(t, []Rates{{Within: time.Minute}}, hour(70*time.Second), "then whole minutes, until now")

	for after := 70 * time.Second; after <= 2*time.Hour; after += 10 * time.Second {
		keep(after)
		if after == 90*time.Minute {
			answer("/v1/learning-logs", 201, 2*time.Millisecond)
		}
	}
	minutes := hour(2 * time.Hour)
	require.Len(t, minutes, 60, "what is older is forgotten")
	assert.LessOrEqual(t, len(r.samples), 370)
	for i, minute := range minutes {
		posts := map[int]float64{30: 1.0 / 60}[i]
		assert.InDelta(t, posts, minute.Posts, 1e-9, "minute %d", i)
	}
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
