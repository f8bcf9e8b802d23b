// Package metrics counts what the service does, for Prometheus.
//
// Begin with [NewRegistry]. Everything else registers itself in the registry, once.
package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// namespace is the prefix of the names of all our metrics.
const namespace = "learninglog"

// NewRegistry returns a registry with metrics of the process, of Go's runtime, and
// of the version and revision of the program.
func NewRegistry(version, revision string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace:   namespace,
		Name:        "build_info",
		Help:        "Always 1: the version of the program and the revision that it was built from.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision},
	})
	build.Set(1)
	registry.MustRegister(
		build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// latencies returns the histogram buckets for the time that clients wait, in
// seconds.
func latencies() []float64 {
	return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}
