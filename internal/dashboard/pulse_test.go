package dashboard //nolint:testpackage // the pulse is nobody else's

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/metrics"
)

// The pulse reads the metrics by their names, so they are the real ones here.
func TestPulse(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	requests, writes := metrics.NewRequests(registry), metrics.NewWrites(registry)
	p := &pulse{metrics: registry}
	begin := time.Now()
	look := func(after time.Duration) sample {
		taken, _, err := p.look(begin.Add(after))
		require.NoError(t, err)
		return taken
	}
	answer := func(route string, status int, took time.Duration) {
		requests.Begun()
		requests.Ended(route, "POST", status, took)
	}
	_, known := p.since(time.Minute, look(0))
	assert.False(t, known, "one look tells no rate")
	p.remember(look(0))
	_, known = p.since(time.Minute, look(100*time.Millisecond))
	assert.False(t, known, "nor do two at about the same time")

	for range 98 {
		answer("/v1/learning-logs", 201, 2*time.Millisecond)
	}
	answer("/v1/learning-logs", 409, 20*time.Millisecond)
	answer("/v1/learning-logs", 503, time.Minute)
	answer("/v1/rebuilds", 500, time.Millisecond)
	writes.Wrote(command.Batch{Logs: 98, Outcomes: map[command.Status]int{command.Recorded: 98, command.AlreadyRecorded: 1}})

	found, known := p.since(time.Minute, look(10*time.Second))
	require.True(t, known)
	assert.Equal(t, rates{
		Within: 10 * time.Second, Logs: 9.8, Posts: 10, Failures: 2,
		Median: 2500 * time.Microsecond, P95: 2500 * time.Microsecond, P99: 25 * time.Millisecond,
	}, found)
	p.remember(look(10 * time.Second))
	found, known = p.since(10*time.Second, look(20*time.Second))
	require.True(t, known)
	assert.Equal(t, rates{Within: 10 * time.Second}, found, "nothing happened since")
	found, _ = p.since(time.Minute, look(20*time.Second))
	assert.InDelta(t, 4.9, found.Logs, 1e-9)

	for second := range 600 {
		p.remember(look(time.Duration(second) * time.Second))
	}
	assert.LessOrEqual(t, len(p.seen), 310, "what is old is forgotten")
}

func TestPulseReadsGauges(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	metrics.RegisterQueue(registry, waiting{})
	_, now, err := (&pulse{metrics: registry}).look(time.Now())
	require.NoError(t, err)
	assert.Equal(t, gauges{Waiting: 7, MaxWaiting: 20}, now)
}

type waiting struct{}

func (waiting) Waiting() int    { return 7 }
func (waiting) MaxWaiting() int { return 20 }
