package dashboard

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const (
	// pulseEvery is how often the metrics are looked at, pulseKept for how long that
	// is remembered.
	pulseEvery = 5 * time.Second
	pulseKept  = 5 * time.Minute
)

// pulse remembers the metrics of this process for some minutes.
type pulse struct {
	metrics prometheus.Gatherer

	mu   sync.Mutex
	seen []sample // in time order
}

// sample is what had happened until an instant, since the process began.
type sample struct {
	at       time.Time
	recorded float64 // logs
	posts    histogram
	failures float64 // requests answered with 5xx
}

// histogram counts by upper bounds, in seconds, each with all that are below it.
type histogram struct {
	bounds []float64
	counts []float64
}

// gauges are what is true just now.
type gauges struct {
	Connections, MaxConnections float64
	Waiting, MaxWaiting         float64
}

// look takes a sample.
func (p *pulse) look(now time.Time) (sample, gauges, error) {
	families, err := p.metrics.Gather()
	if err != nil {
		return sample{}, gauges{}, fmt.Errorf("gathering metrics: %w", err)
	}
	taken, current := sample{at: now}, gauges{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			taken.add(family.GetName(), metric)
			current.add(family.GetName(), metric)
		}
	}
	return taken, current, nil
}

// remember keeps a sample, and forgets those that are too old.
func (p *pulse) remember(taken sample) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = slices.DeleteFunc(p.seen, func(old sample) bool { return taken.at.Sub(old.at) > pulseKept+pulseEvery })
	p.seen = append(p.seen, taken)
}

// keep remembers samples until ctx ends.
func (p *pulse) keep(ctx context.Context, logger *slog.Logger) {
	ticks := time.NewTicker(pulseEvery)
	defer ticks.Stop()
	for {
		if taken, _, err := p.look(time.Now()); err != nil {
			logger.WarnContext(ctx, "the rates of the last minutes have a gap", slog.Any("error", err))
		} else {
			p.remember(taken)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

func (s *sample) add(name string, metric *dto.Metric) {
	switch name {
	case "learninglog_logs_total":
		if label(metric, "outcome") == "recorded" {
			s.recorded += metric.GetCounter().GetValue()
		}
	case "learninglog_http_request_duration_seconds":
		if status, err := strconv.Atoi(label(metric, "status")); err == nil && status >= http.StatusInternalServerError {
			s.failures += float64(metric.GetHistogram().GetSampleCount())
		}
		if label(metric, "method") == http.MethodPost && label(metric, "route") == "/v1/learning-logs" {
			s.posts.add(metric.GetHistogram())
		}
	}
}

func (g *gauges) add(name string, metric *dto.Metric) {
	value := metric.GetGauge().GetValue()
	switch name {
	case "learninglog_pool_connections":
		if label(metric, "state") == "acquired" {
			g.Connections = value
		}
	case "learninglog_pool_max_connections":
		g.MaxConnections = value
	case "learninglog_queue_logs":
		g.Waiting = value
	case "learninglog_queue_max_logs":
		g.MaxWaiting = value
	}
}

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// add adds a histogram of the same bounds.
func (h *histogram) add(more *dto.Histogram) {
	buckets := more.GetBucket()
	if h.bounds == nil {
		h.bounds, h.counts = make([]float64, len(buckets)+1), make([]float64, len(buckets)+1)
		h.bounds[len(buckets)] = math.Inf(1)
	}
	for i, bucket := range buckets {
		h.bounds[i] = bucket.GetUpperBound()
		h.counts[i] += float64(bucket.GetCumulativeCount())
	}
	h.counts[len(buckets)] += float64(more.GetSampleCount())
}

// minus returns what was counted since.
func (h histogram) minus(earlier histogram) histogram {
	since := histogram{bounds: h.bounds, counts: slices.Clone(h.counts)}
	for i := range earlier.counts {
		since.counts[i] -= earlier.counts[i]
	}
	return since
}

func (h histogram) count() float64 {
	if len(h.counts) == 0 {
		return 0
	}
	return h.counts[len(h.counts)-1]
}

// quantile returns the bound, in seconds, below which a share of all was.
func (h histogram) quantile(share float64) float64 {
	for i, count := range h.counts {
		if count >= share*h.count() {
			return h.bounds[i]
		}
	}
	return math.Inf(1)
}

// rates is what happened within some time until now.
type rates struct {
	// Within is that time: less than asked for where less is known.
	Within time.Duration
	// Logs and Posts are per second: logs that were recorded, and posts of single
	// ones that were answered.
	Logs, Posts float64
	// Median, P95 and P99 are bounds within which so many of those posts were
	// answered. 0 where there was none.
	Median, P95, P99 time.Duration
	// Failures counts requests that were answered with 5xx.
	Failures float64
}

// since returns the rates of the last time until now, or false where too little is
// known yet.
func (p *pulse) since(last time.Duration, now sample) (rates, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first, ok := sample{}, false
	for _, earlier := range slices.Backward(p.seen) {
		ago := now.at.Sub(earlier.at)
		if ago > last+pulseEvery/2 {
			break
		}
		if ago >= time.Second {
			first, ok = earlier, true
		}
	}
	if !ok {
		return rates{}, false
	}
	took := now.at.Sub(first.at)
	posts := now.posts.minus(first.posts)
	found := rates{
		Within:   took.Round(time.Second),
		Logs:     (now.recorded - first.recorded) / took.Seconds(),
		Posts:    posts.count() / took.Seconds(),
		Failures: now.failures - first.failures,
	}
	if posts.count() > 0 {
		found.Median = seconds(posts.quantile(0.5))
		found.P95 = seconds(posts.quantile(0.95))
		found.P99 = seconds(posts.quantile(0.99))
	}
	return found, true
}

func seconds(s float64) time.Duration {
	if math.IsInf(s, 1) {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
