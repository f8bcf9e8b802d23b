// Package quota limits how much each caller may do in a time. [Take] takes from a limiter,
// and [Limiters] are those of the callers that aren't known by another.
package quota

import (
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"learninglog/internal/caller"
)

// Take takes a number from a limiter, at most as many as it can ever have. If it has fewer,
// Take takes nothing, and returns after what time there may be enough. From nil, anything
// can be taken.
func Take(from *rate.Limiter, number int) (wait time.Duration) {
	if from == nil || from.AllowN(time.Now(), min(number, from.Burst())) {
		return 0
	}
	return max(Wait(from, number), time.Millisecond)
}

// Wait returns after what time a number can be taken, or 0 for at once.
func Wait(from *rate.Limiter, number int) time.Duration {
	if from == nil {
		return 0
	}
	missing := float64(min(number, from.Burst())) - from.Tokens()
	return max(0, time.Duration(missing/float64(from.Limit())*float64(time.Second)))
}

// Limiters has a limiter for each of the callers that came last. Who is forgotten begins
// anew.
type Limiters struct {
	each       *otter.Cache[caller.Caller, *rate.Limiter]
	newLimiter func() *rate.Limiter
}

// mostCallers is how many callers have a limiter. They take about two megabytes.
const mostCallers = 10_000

// NewLimiters returns limiters, which newLimiter makes.
func NewLimiters(newLimiter func() *rate.Limiter) *Limiters {
	return &Limiters{
		each:       otter.Must(&otter.Options[caller.Caller, *rate.Limiter]{MaximumSize: mostCallers}),
		newLimiter: newLimiter,
	}
}

// Of returns the limiter of a caller.
func (l *Limiters) Of(who caller.Caller) *rate.Limiter {
	if known, ok := l.each.GetIfPresent(who); ok {
		return known
	}
	limiter, _ := l.each.ComputeIfAbsent(who, func() (*rate.Limiter, bool) { return l.newLimiter(), false })
	return limiter
}
