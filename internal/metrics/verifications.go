package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"learninglog/rollup/rebuild"
)

// verifier returns the last verifications: a [rebuild.Jobs].
type verifier interface {
	Verifications(ctx context.Context) ([]rebuild.Verification, error)
}

// RegisterVerifications registers the results of the last verifications. All
// replicas show the same results.
func RegisterVerifications(registry prometheus.Registerer, verified verifier) {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{"verification"}, nil)
	}
	registry.MustRegister(&verificationCollector{
		verified: verified,
		drift: describe("drift_rows",
			"Rows of the rollup that the last verification found to be wrong, without those that have been repaired."),
		at:    describe("verified_timestamp_seconds", "When the last verification ended."),
		users: describe("verified_users", "The users of the last verification."),
		logs:  describe("verified_logs", "The logs of the last verification."),
	})
}

// verificationCollector queries the database at every scrape, as jobCollector does.
type verificationCollector struct {
	verified               verifier
	drift, at, users, logs *prometheus.Desc
}

func (c *verificationCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{c.drift, c.at, c.users, c.logs} {
		descriptions <- description
	}
}

func (c *verificationCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	verifications, err := c.verified.Verifications(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(c.drift, err) // so that the handler of the scrape logs the error
		return
	}
	for _, last := range verifications {
		gauge := func(description *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, string(last.Kind))
		}
		gauge(c.drift, float64(last.RowsDrifted-last.RowsRepaired))
		gauge(c.at, float64(last.FinishedAt.UnixMilli())/float64(time.Second/time.Millisecond))
		gauge(c.users, float64(last.Users))
		gauge(c.logs, float64(last.Logs))
	}
}
