package metrics

import "github.com/prometheus/client_golang/prometheus"

// connectionCounter is the part of a limiter of connections that is used here.
type connectionCounter interface{ Count() (open, refused int) }

// RegisterConnections registers how many connections of clients are open, and how many
// were refused.
func RegisterConnections(registry prometheus.Registerer, connections connectionCounter) {
	registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace,
			Name:      "connections",
			Help:      "Open connections of clients.",
		}, func() float64 { open, _ := connections.Count(); return float64(open) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "connections_refused_total",
			Help:      "Connections that were closed at once, because there were too many in all or of one caller.",
		}, func() float64 { _, refused := connections.Count(); return float64(refused) }),
	)
}
