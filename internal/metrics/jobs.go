package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river/rivertype"
)

// databaseTimeout limits how long a scrape waits for the database. It is well below
// the default timeout of Prometheus, which is 10 s.
const databaseTimeout = time.Second

// database is the part of a pgx pool that scrapes use.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// RegisterJobs registers the numbers of jobs in River's tables in a schema. All
// replicas show the same numbers.
func RegisterJobs(registry prometheus.Registerer, db database, schema string) {
	registry.MustRegister(&jobCollector{
		db: db,
		query: `SELECT kind, state::text, count(*) FROM ` + pgx.Identifier{schema, "river_job"}.Sanitize() +
			` GROUP BY kind, state`,
		jobs: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "jobs"),
			"Jobs in the database, by kind and state. They are the same ones for every replica.",
			[]string{"kind", "state"}, nil),
		up: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "jobs_up"),
			"Whether the database could be asked for its jobs: 1, or 0 and there is no learninglog_jobs.", nil, nil),
	})
}

// jobCollector queries the database at every scrape. If the database is unavailable,
// the scrape omits the jobs but still succeeds, because the other metrics are needed
// most then.
type jobCollector struct {
	db       database
	query    string
	jobs, up *prometheus.Desc
}

func (c *jobCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.jobs
	descriptions <- c.up
}

func (c *jobCollector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), databaseTimeout)
	defer cancel()
	counts, err := c.count(ctx)
	if err != nil {
		metrics <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 0)
		metrics <- prometheus.NewInvalidMetric(c.jobs, err) // so that the handler of the scrape logs the error
		return
	}
	metrics <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, 1)
	for kind, states := range counts {
		for _, state := range rivertype.JobStates() {
			metrics <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, states[state], kind, string(state))
		}
	}
}

// jobCounts are the numbers of jobs by kind and state.
type jobCounts map[string]map[rivertype.JobState]float64

func (c *jobCollector) count(ctx context.Context) (jobCounts, error) {
	rows, err := c.db.Query(ctx, c.query)
	if err != nil {
		return nil, fmt.Errorf("counting jobs: %w", err)
	}
	counts := make(jobCounts)
	var (
		kind  string
		state rivertype.JobState
		jobs  float64
	)
	_, err = pgx.ForEachRow(rows, []any{&kind, &state, &jobs}, func() error {
		if counts[kind] == nil {
			counts[kind] = make(map[rivertype.JobState]float64)
		}
		counts[kind][state] = jobs
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting jobs: %w", err)
	}
	return counts, nil
}
