package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
)

// subscriber is the part of River's client that is used here.
type subscriber interface {
	Subscribe(kinds ...river.EventKind) (events <-chan *river.Event, cancel func())
}

// RegisterAttempts registers how long this process worked on jobs, by kind and
// outcome. It counts until the client stops.
func RegisterAttempts(registry prometheus.Registerer, client subscriber) {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace,
		Name:      "job_duration_seconds",
		Help:      "How long this process worked a job, by how that ended.",
		Buckets:   []float64{0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200, 43_200},
	}, []string{"kind", "outcome"})
	registry.MustRegister(duration)

	events, _ := client.Subscribe( // the subscription ends when the client stops
		river.EventKindJobCompleted, river.EventKindJobFailed, river.EventKindJobCancelled,
		river.EventKindJobSnoozed, river.EventKindJobInterrupted,
	)
	go func() {
		for event := range events {
			outcome := strings.TrimPrefix(string(event.Kind), "job_")
			duration.WithLabelValues(event.Job.Kind, outcome).Observe(event.JobStats.RunDuration.Seconds())
		}
	}()
}
