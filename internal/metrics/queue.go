package metrics

import "github.com/prometheus/client_golang/prometheus"

// queue is the part of a recorder that is used here.
type queue interface {
	Waiting() int
	MaxWaiting() int
	MaxWaitingPerCaller() int
}

// RegisterQueue registers how many logs wait to be written, and how many may wait.
func RegisterQueue(registry prometheus.Registerer, q queue) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "queue_logs",
			Help:      "Learning logs that wait to be written.",
		}, func() float64 { return float64(q.Waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "queue_max_logs",
			Help:      "How many learning logs may wait: posts beyond that are answered 503.",
		}, func() float64 { return float64(q.MaxWaiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "queue_max_caller_logs",
			Help:      "How many learning logs of one caller's small posts may wait.",
		}, func() float64 { return float64(q.MaxWaitingPerCaller()) }),
	)
}
