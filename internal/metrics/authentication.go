package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"learninglog/internal/access"
)

// Authentication counts credentials that are worth nothing. It is the observer of a gate.
type Authentication struct{ failures *prometheus.CounterVec }

var _ access.Observer = (*Authentication)(nil)

// NewAuthentication returns Authentication and registers its metric.
func NewAuthentication(registry prometheus.Registerer) *Authentication {
	a := &Authentication{failures: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace,
		Name:      "authentication_failures_total",
		Help:      "Keys, tokens, sessions and logins that were worth nothing, by why.",
	}, []string{"reason"})}
	for _, why := range access.Reasons() {
		a.failures.WithLabelValues(string(why)) // starts the counter at 0, so that its rate is right from the first failure on
	}
	registry.MustRegister(a.failures)
	return a
}

// Failed counts credentials that are worth nothing.
func (a *Authentication) Failed(why access.Reason) { a.failures.WithLabelValues(string(why)).Inc() }
