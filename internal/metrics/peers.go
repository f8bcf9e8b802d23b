package metrics

import "github.com/prometheus/client_golang/prometheus"

// Peers counts what the replicas tell each other. It is the observer of peers.Peers.
type Peers struct {
	logs   *prometheus.CounterVec
	failed *prometheus.CounterVec
}

// NewPeers returns Peers and registers its metrics.
func NewPeers(registry prometheus.Registerer) *Peers {
	p := &Peers{
		logs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "peers_logs_total",
			Help:      "Recorded learning logs that were told to other replicas through Redis, heard from them, or dropped because Redis didn't keep up.",
		}, []string{"what"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "peers_failures_total",
			Help:      "How often Redis failed, by whether it took too long.",
		}, []string{"reason"}),
	}
	for _, what := range []string{told, heard, dropped} {
		p.logs.WithLabelValues(what)
	}
	for _, reason := range []string{failedSlowly, failedAtOnce} {
		p.failed.WithLabelValues(reason)
	}
	registry.MustRegister(p.logs, p.failed)
	return p
}

const (
	told, heard, dropped       = "told", "heard", "dropped"
	failedSlowly, failedAtOnce = "timeout", "error"
)

// Told counts logs that were told to others.
func (p *Peers) Told(logs int) { p.logs.WithLabelValues(told).Add(float64(logs)) }

// Heard counts logs of which others told.
func (p *Peers) Heard(logs int) { p.logs.WithLabelValues(heard).Add(float64(logs)) }

// Dropped counts logs that others will not hear of.
func (p *Peers) Dropped(logs int) { p.logs.WithLabelValues(dropped).Add(float64(logs)) }

// Failed counts a failure of Redis.
func (p *Peers) Failed(slow bool) {
	reason := failedAtOnce
	if slow {
		reason = failedSlowly
	}
	p.failed.WithLabelValues(reason).Inc()
}
