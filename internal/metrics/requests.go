package metrics

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Requests counts and times HTTP requests. It is the API's observer.
type Requests struct {
	inFlight prometheus.Gauge
	duration *prometheus.HistogramVec

	// known has the histograms in use. It is copied when one is added, which soon
	// stops happening. So a look-up needs no lock.
	known  atomic.Pointer[map[answer]prometheus.Observer]
	adding sync.Mutex
}

// answer has the labels of a request.
type answer struct {
	route, method string
	status        int
}

// NewRequests returns Requests and registers its metrics.
func NewRequests(registry prometheus.Registerer) *Requests {
	r := &Requests{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace,
			Subsystem: "http",
			Name:      "requests_in_flight",
			Help:      "HTTP requests that are being answered.",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace,
			Subsystem: "http",
			Name:      "request_duration_seconds",
			Help: "How long HTTP requests took, from their headers to the end of the answer. " +
				"The status is 0 if the connection was broken off.",
			Buckets: latencies(),
		}, []string{"route", "method", "status"}),
	}
	r.known.Store(new(make(map[answer]prometheus.Observer)))
	registry.MustRegister(r.inFlight, r.duration)
	return r
}

// Begun counts a request that has arrived.
func (r *Requests) Begun() { r.inFlight.Inc() }

// Ended counts a request that was answered. Every combination of route, method and
// status is kept for ever, so there must not be many.
func (r *Requests) Ended(route, method string, status int, took time.Duration) {
	r.inFlight.Dec()
	r.of(answer{route, method, status}).Observe(took.Seconds())
}

func (r *Requests) of(a answer) prometheus.Observer {
	if histogram, ok := (*r.known.Load())[a]; ok {
		return histogram
	}
	return r.add(a)
}

func (r *Requests) add(a answer) prometheus.Observer {
	r.adding.Lock()
	defer r.adding.Unlock()
	histogram := r.duration.WithLabelValues(a.route, a.method, strconv.Itoa(a.status))
	known := maps.Clone(*r.known.Load())
	known[a] = histogram
	r.known.Store(&known)
	return histogram
}

// postsAndFailures returns the durations of posts to a route, and the number of
// requests to any route that were answered with 5xx.
func (r *Requests) postsAndFailures(route string) (posts histogram, failures int, err error) {
	const firstFailure = 500
	for a, observer := range *r.known.Load() {
		isPost, isFailure := a.method == "POST" && a.route == route, a.status >= firstFailure
		metric, ok := observer.(prometheus.Metric)
		if !ok || !isPost && !isFailure {
			continue
		}
		var read dto.Metric
		if err := metric.Write(&read); err != nil {
			return histogram{}, 0, err
		}
		if isPost {
			posts.add(read.GetHistogram())
		}
		if isFailure {
			failures += int(read.GetHistogram().GetSampleCount()) //nolint:gosec // the number is small enough
		}
	}
	return posts, failures, nil
}
