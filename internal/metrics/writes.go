package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"learninglog/command"
)

// Writes counts the outcomes of logs, and times their writing. It is the observer of
// a recorder.
type Writes struct {
	logs     *prometheus.CounterVec
	voids    *prometheus.CounterVec
	perBatch prometheus.Histogram
	calls    prometheus.Histogram
	waited   prometheus.Histogram
	took     prometheus.Histogram
	retries  prometheus.Counter
	lookups  *prometheus.CounterVec
}

var _ command.Observer = (*Writes)(nil)

// NewWrites returns Writes and registers its metrics.
func NewWrites(registry prometheus.Registerer) *Writes {
	w := &Writes{
		logs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "logs_total",
			Help:      "Learning logs that were submitted, by what became of them.",
		}, []string{"outcome"}),
		voids: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "voids_total",
			Help:      "Learning logs that were to be taken back, or were replaced, by what became of them.",
		}, []string{"outcome"}),
		perBatch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "batch_logs",
			Help:      "Learning logs that were written together, in one commit.",
			Buckets:   sizes(),
		}),
		calls: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "batch_calls",
			Help:      "Posts whose learning logs were written together.",
			Buckets:   sizes(),
		}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "queue_wait_seconds",
			Help:      "How long posts, or the parts of large ones, waited for their batch to be written.",
			Buckets:   latencies(),
		}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace,
			Name:      "batch_duration_seconds",
			Help:      "How long the database took to write a batch, with all tries.",
			Buckets:   latencies(),
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "batch_retries_total",
			Help:      "How often a batch, or a part of it, was tried again.",
		}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: namespace,
			Name:      "lookups_total",
			Help:      "Learning logs that were looked up, because they seemed to be recorded before, by what was found. Those that weren't found are written.",
		}, []string{"result"}),
	}
	for _, result := range []string{lookupFound, lookupNotFound, lookupFailed} {
		w.lookups.WithLabelValues(result)
	}
	for _, status := range []command.Status{
		command.Recorded, command.AlreadyRecorded, command.RequestIDReused, command.Voided, command.ReplacedUnknown,
		command.TooOld, command.Erased, command.Invalid, command.Failed,
	} {
		w.logs.WithLabelValues(string(status)) // starts the counter at 0, so that its rate is right from the first log on
	}
	for _, status := range []command.Status{command.Voided, command.AlreadyVoided, command.Unknown, command.Erased, command.Failed} {
		w.voids.WithLabelValues(string(status))
	}
	registry.MustRegister(w.logs, w.voids, w.perBatch, w.calls, w.waited, w.took, w.retries, w.lookups)
	return w
}

// sizes returns the histogram buckets for the number of logs in a batch.
func sizes() []float64 {
	return []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000}
}

// Wrote counts a batch.
func (w *Writes) Wrote(batch command.Batch) {
	w.perBatch.Observe(float64(batch.Logs))
	w.calls.Observe(float64(batch.Calls))
	for _, waited := range batch.Waited {
		w.waited.Observe(waited.Seconds())
	}
	w.took.Observe(batch.Took.Seconds())
	w.retries.Add(float64(batch.Retries))
	for status, logs := range batch.Outcomes {
		w.count(status, logs)
	}
	for status, logs := range batch.Voids {
		w.countVoids(status, logs)
	}
}

// The results of look-ups.
const (
	lookupFound    = "found"
	lookupNotFound = "not_found"
	lookupFailed   = "failed"
)

// LookedUp counts a batch of logs that were looked up.
func (w *Writes) LookedUp(lookup command.Lookup) {
	for status, logs := range lookup.Outcomes {
		w.count(status, logs)
		w.lookups.WithLabelValues(lookupFound).Add(float64(logs))
	}
	result := lookupNotFound
	if lookup.Err != nil {
		result = lookupFailed
	}
	w.lookups.WithLabelValues(result).Add(float64(lookup.Unknown))
}

// Refused counts logs that were in no batch.
func (w *Writes) Refused(status command.Status, logs int) { w.count(status, logs) }

// RefusedVoids counts logs to be voided that were in no batch.
func (w *Writes) RefusedVoids(logs int) { w.countVoids(command.Failed, logs) }

func (w *Writes) countVoids(status command.Status, logs int) {
	w.voids.WithLabelValues(string(status)).Add(float64(logs))
}

func (w *Writes) count(status command.Status, logs int) {
	w.logs.WithLabelValues(string(status)).Add(float64(logs))
}

// recorded returns the number of recorded logs.
func (w *Writes) recorded() (float64, error) {
	var read dto.Metric
	err := w.logs.WithLabelValues(string(command.Recorded)).Write(&read)
	return read.GetCounter().GetValue(), err
}
