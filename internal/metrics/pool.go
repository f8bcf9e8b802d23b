package metrics

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// RegisterPool registers the statistics of a pool's connections.
func RegisterPool(registry prometheus.Registerer, pool *pgxpool.Pool) {
	registry.MustRegister(poolCollector{stat: pool.Stat, metrics: poolMetrics()})
}

// poolCollector reads the pool once for all metrics, so that they are consistent.
type poolCollector struct {
	stat    func() *pgxpool.Stat
	metrics []poolMetric
}

// poolMetric is a metric and the function that reads it.
type poolMetric struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	read        func(*pgxpool.Stat) float64
}

func (c poolCollector) Describe(descriptions chan<- *prometheus.Desc) {
	for _, metric := range c.metrics {
		descriptions <- metric.description
	}
}

func (c poolCollector) Collect(metrics chan<- prometheus.Metric) {
	stat := c.stat()
	for _, metric := range c.metrics {
		metrics <- prometheus.MustNewConstMetric(metric.description, metric.kind, metric.read(stat))
	}
}

func poolMetrics() []poolMetric {
	const (
		connections = "Connections to the database, by what they are doing."
		closed      = "Connections that were closed, because of their age or because they were idle."
	)
	return []poolMetric{
		poolGauge("max_connections", "", "How many connections to the database there may be.", (*pgxpool.Stat).MaxConns),
		poolGauge("connections", "acquired", connections, (*pgxpool.Stat).AcquiredConns),
		poolGauge("connections", "idle", connections, (*pgxpool.Stat).IdleConns),
		poolGauge("connections", "constructing", connections, (*pgxpool.Stat).ConstructingConns),
		poolCount("connections_opened_total", "", "Connections that were opened.", (*pgxpool.Stat).NewConnsCount),
		poolCount("connections_closed_total", "lifetime", closed, (*pgxpool.Stat).MaxLifetimeDestroyCount),
		poolCount("connections_closed_total", "idle", closed, (*pgxpool.Stat).MaxIdleDestroyCount),
		poolCount("acquires_total", "", "How often a connection was acquired.", (*pgxpool.Stat).AcquireCount),
		poolCount("empty_acquires_total", "", "How often that had to wait, as none was idle.", (*pgxpool.Stat).EmptyAcquireCount),
		poolCount("canceled_acquires_total", "", "How often whoever waited gave up.", (*pgxpool.Stat).CanceledAcquireCount),
		poolTime("acquire_seconds_total", "How long acquiring connections took.", (*pgxpool.Stat).AcquireDuration),
		poolTime("empty_acquire_seconds_total", "How long that waited, as none was idle.", (*pgxpool.Stat).EmptyAcquireWaitTime),
	}
}

func poolGauge(name, state, help string, read func(*pgxpool.Stat) int32) poolMetric {
	return newPoolMetric(prometheus.GaugeValue, name, help, label("state", state),
		func(stat *pgxpool.Stat) float64 { return float64(read(stat)) })
}

func poolCount(name, reason, help string, read func(*pgxpool.Stat) int64) poolMetric {
	return newPoolMetric(prometheus.CounterValue, name, help, label("reason", reason),
		func(stat *pgxpool.Stat) float64 { return float64(read(stat)) })
}

func poolTime(name, help string, read func(*pgxpool.Stat) time.Duration) poolMetric {
	return newPoolMetric(prometheus.CounterValue, name, help, nil,
		func(stat *pgxpool.Stat) float64 { return read(stat).Seconds() })
}

func newPoolMetric(
	kind prometheus.ValueType, name, help string, labels prometheus.Labels, read func(*pgxpool.Stat) float64,
) poolMetric {
	name = prometheus.BuildFQName(namespace, "pool", name)
	return poolMetric{description: prometheus.NewDesc(name, help, nil, labels), kind: kind, read: read}
}

// label returns a label, or none for an empty value.
func label(name, value string) prometheus.Labels {
	if value == "" {
		return nil
	}
	return prometheus.Labels{name: value}
}
