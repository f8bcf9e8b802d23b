package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// sampleEvery is how often a sample is taken, sampleKept for how long it is kept.
	sampleEvery = 5 * time.Second
	sampleKept  = 5 * time.Minute
)

// Recent knows the metrics of this process of the last minutes. It may be used by many
// at the same time.
type Recent struct {
	sources Sources

	mu      sync.Mutex
	samples []sample // in time order
}

// Sources are what Recent reads. Every field must be set.
type Sources struct {
	Requests *Requests
	// PostRoute is the pattern of the route to which single logs are posted.
	PostRoute string
	Writes    *Writes
	Queue     queue
	Pool      interface{ Stat() *pgxpool.Stat }
}

// NewRecent returns a Recent that knows nothing until [Recent.Run].
func NewRecent(sources Sources) *Recent { return &Recent{sources: sources} }

// Run takes a sample every 5 seconds until ctx ends.
func (r *Recent) Run(ctx context.Context, logger *slog.Logger) {
	ticks := time.NewTicker(sampleEvery)
	defer ticks.Stop()
	for {
		if taken, err := r.sample(time.Now()); err != nil {
			logger.WarnContext(ctx, "the rates of the last minutes have a gap", slog.Any("error", err))
		} else {
			r.keep(taken)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// Gauges are what is true at an instant.
type Gauges struct {
	// Connections to the database are in use, of MaxConnections.
	Connections, MaxConnections int
	// Waiting logs are in the queue, which has room for MaxWaiting.
	Waiting, MaxWaiting int
}

// Gauges returns what is true now.
func (r *Recent) Gauges() Gauges {
	pool := r.sources.Pool.Stat()
	return Gauges{
		Connections:    int(pool.AcquiredConns()),
		MaxConnections: int(pool.MaxConns()),
		Waiting:        r.sources.Queue.Waiting(),
		MaxWaiting:     r.sources.Queue.MaxWaiting(),
	}
}

// Rates is what happened within some time until now.
type Rates struct {
	// Within is that time, in whole seconds: less than was asked for where less is known.
	Within time.Duration
	// Logs and Posts are per second: logs that were recorded, and posts of single
	// ones that were answered.
	Logs, Posts float64
	// Median, P95 and P99 are upper bounds of how long half, 95 % and 99 % of those
	// posts took. They are 0 where there was none, and the longest duration where the
	// bound is unknown, as it is above the last bucket.
	Median, P95, P99 time.Duration
	// Failures counts requests that were answered with 5xx.
	Failures int
}

// Rates returns the rates of the last 10 seconds, minute and 5 minutes before now: of
// the first at least, if the process is old enough to know any.
func (r *Recent) Rates(now time.Time) ([]Rates, error) {
	current, err := r.sample(now)
	if err != nil {
		return nil, err
	}
	var all []Rates
	for _, last := range []time.Duration{2 * sampleEvery, time.Minute, sampleKept} {
		rates, ok := r.since(last, current)
		if ok && (len(all) == 0 || rates.Within > all[len(all)-1].Within) {
			all = append(all, rates)
		}
	}
	return all, nil
}

// since returns the rates of the last time until now, or false where too little is
// known yet.
func (r *Recent) since(last time.Duration, now sample) (Rates, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, earlier := range r.samples {
		ago := now.at.Sub(earlier.at)
		if ago <= last+sampleEvery/2 && ago >= time.Second {
			return now.ratesSince(earlier), true
		}
	}
	return Rates{}, false
}

// keep keeps a sample, and forgets those that are too old.
func (r *Recent) keep(taken sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = slices.DeleteFunc(r.samples, func(old sample) bool { return taken.at.Sub(old.at) > sampleKept+sampleEvery })
	r.samples = append(r.samples, taken)
}

// sample takes a sample.
func (r *Recent) sample(now time.Time) (sample, error) {
	recorded, err := r.sources.Writes.recorded()
	if err != nil {
		return sample{}, fmt.Errorf("reading how many logs were recorded: %w", err)
	}
	posts, failures, err := r.sources.Requests.postsAndFailures(r.sources.PostRoute)
	if err != nil {
		return sample{}, fmt.Errorf("reading how requests were answered: %w", err)
	}
	return sample{at: now, recorded: recorded, posts: posts, failures: failures}, nil
}

// sample is what had happened until an instant, since the process began.
type sample struct {
	at       time.Time
	recorded float64 // logs
	posts    histogram
	failures int // requests answered with 5xx
}

func (s sample) ratesSince(earlier sample) Rates {
	took := s.at.Sub(earlier.at)
	posts := s.posts.minus(earlier.posts)
	rates := Rates{
		Within:   took.Round(time.Second),
		Logs:     (s.recorded - earlier.recorded) / took.Seconds(),
		Posts:    posts.count() / took.Seconds(),
		Failures: s.failures - earlier.failures,
	}
	if posts.count() > 0 {
		rates.Median = posts.quantile(0.5)
		rates.P95 = posts.quantile(0.95)
		rates.P99 = posts.quantile(0.99)
	}
	return rates
}
