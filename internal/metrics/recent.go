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
	// sampleEvery is how often a sample is taken. sampleKept is how long it is kept.
	sampleEvery = 10 * time.Second
	sampleKept  = time.Hour + time.Minute // so that there are sixty whole minutes
)

// Recent has the metrics of this process in the last hour. It is safe for
// concurrent use.
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

// NewRecent returns a Recent. It has no data until [Recent.Run] is called.
func NewRecent(sources Sources) *Recent { return &Recent{sources: sources} }

// Run takes a sample every 10 seconds until ctx ends.
func (r *Recent) Run(ctx context.Context, logger *slog.Logger) {
	ticks := time.NewTicker(sampleEvery)
	defer ticks.Stop()
	for {
		if taken, err := r.sample(time.Now()); err != nil {
			logger.WarnContext(ctx, "the rates of the last hour have a gap", slog.Any("error", err))
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

// Gauges are current values.
type Gauges struct {
	// Connections is how many connections to the database are in use, and
	// MaxConnections how many there may be.
	Connections, MaxConnections int
	// Waiting is how many logs wait in the queue, and MaxWaiting how many may wait.
	Waiting, MaxWaiting int
}

// Gauges returns the current values.
func (r *Recent) Gauges() Gauges {
	pool := r.sources.Pool.Stat()
	return Gauges{
		Connections:    int(pool.AcquiredConns()),
		MaxConnections: int(pool.MaxConns()),
		Waiting:        r.sources.Queue.Waiting(),
		MaxWaiting:     r.sources.Queue.MaxWaiting(),
	}
}

// Rates are averages over about a minute.
type Rates struct {
	// Within is how long that was, in whole seconds.
	Within time.Duration
	// Logs and Posts are per second: the recorded logs, and the answered posts of
	// single logs.
	Logs, Posts float64
	// Median, P95 and P99 are upper bounds for the duration of 50 %, 95 % and 99 %
	// of those posts. They are 0 if there were none, and the longest duration if the
	// bound is unknown because it is above the last bucket.
	Median, P95, P99 time.Duration
	// Failures is the number of requests that were answered with 5xx.
	Failures int
}

const mostMinutes = 60

// Hour returns the rates of each minute of the last hour before now, the latest last. If the
// process is young, it returns fewer: that of a part of a minute, or none.
func (r *Recent) Hour(now time.Time) (minutes []Rates, err error) {
	end, err := r.sample(now)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, earlier := range slices.Backward(r.samples) {
		if len(minutes) == mostMinutes {
			break
		}
		took := end.at.Sub(earlier.at)
		isYoung := i == 0 && minutes == nil && took >= time.Second
		if took >= time.Minute-sampleEvery/2 || isYoung {
			minutes = append(minutes, end.ratesSince(earlier))
			end = earlier
		}
	}
	slices.Reverse(minutes)
	return minutes, nil
}

// keep adds a sample and deletes those that are too old.
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

// sample has the totals at an instant, since the process began.
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
