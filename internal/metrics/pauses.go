package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"learninglog/rollup/rebuild"
)

// queueLister returns the queues of jobs: a [rebuild.Jobs].
type queueLister interface {
	Queues(ctx context.Context) ([]rebuild.Queue, error)
}

// RegisterPauses registers which queues of jobs are paused. All replicas show the same.
func RegisterPauses(registry prometheus.Registerer, queues queueLister) {
	registry.MustRegister(&pauseCollector{
		queues: queues,
		paused: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "job_queue_paused"),
			"Whether a queue of jobs is paused: 1, and none of its jobs begins, or 0.", []string{"queue"}, nil),
	})
}

// pauseCollector queries the database at every scrape, as jobCollector does.
type pauseCollector struct {
	queues queueLister
	paused *prometheus.Desc
}

func (c *pauseCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.paused }

func (c *pauseCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	queues, err := c.queues.Queues(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(c.paused, err) // so that the handler of the scrape logs the error
		return
	}
	for _, queue := range queues {
		paused := 0.0
		if queue.PausedAt != nil {
			paused = 1
		}
		metrics <- prometheus.MustNewConstMetric(c.paused, prometheus.GaugeValue, paused, queue.Name)
	}
}
