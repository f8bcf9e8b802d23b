package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
)

// RegisterVerifications registers the results of the last verifications. Every replica
// shows the same ones.
func RegisterVerifications(registry prometheus.Registerer, db database) {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{"verification"}, nil)
	}
	registry.MustRegister(&verificationCollector{
		db: db,
		drift: describe("drift_rows",
			"Rows of the rollup that the last verification found to be wrong, without those that have been repaired."),
		at:    describe("verified_timestamp_seconds", "When the last verification ended."),
		users: describe("verified_users", "The users of the last verification."),
		logs:  describe("verified_logs", "The logs of the last verification."),
	})
}

// verificationCollector asks the database at every scrape, as jobCollector does.
type verificationCollector struct {
	db                     database
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
	verified, err := c.read(ctx)
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(c.drift, err) // so that whoever serves the scrape logs why
		return
	}
	for _, last := range verified {
		gauge := func(description *prometheus.Desc, value float64) {
			metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value, last.verification)
		}
		gauge(c.drift, float64(last.drift))
		gauge(c.at, float64(last.at.UnixMilli())/float64(time.Second/time.Millisecond))
		gauge(c.users, float64(last.users))
		gauge(c.logs, float64(last.logs))
	}
}

// verified is the last verification of a kind.
type verified struct {
	verification       string
	at                 time.Time
	users, logs, drift int64
}

func (c *verificationCollector) read(ctx context.Context) ([]verified, error) {
	const query = `
		SELECT verification, finished_at, users, logs, rows_drifted - rows_repaired
		FROM learning_log_verifications`
	rows, err := c.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading what was verified: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (last verified, err error) {
		err = row.Scan(&last.verification, &last.at, &last.users, &last.logs, &last.drift)
		return last, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what was verified: %w", err)
	}
	return all, nil
}
