package access

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"learninglog/internal/caller"
	"learninglog/internal/quota"
)

// Credentials that are worth nothing may come so often from one address.
const (
	failuresAtOnce = 20
	failureEvery   = 3 * time.Second
	// Sessions are read from the database at most so often for an address that fails: those
	// of others there go on, and those that are made up don't keep it busy.
	sessionsPerSecond, sessionsAtOnce = 20, 50
	// mostGood is how many sessions that were good are told from what is made up. They take
	// about a megabyte.
	mostGood = 10_000
)

// TooManyFailuresError means that too many credentials from an address were worth nothing,
// so that others aren't looked at.
type TooManyFailuresError struct {
	// After is when the next ones are looked at.
	After time.Duration
}

func (e *TooManyFailuresError) Error() string {
	return fmt.Sprintf("too many credentials from this address were worth nothing: the next are looked at in %s", e.After)
}

// failures limits how often each address can guess, and how often sessions are looked up
// for one that does.
type failures struct {
	guesses, lookUps *quota.Limiters
	// good are sessions that were good lately. They are still looked up: this only tells
	// them from what is made up.
	good *otter.Cache[hash, struct{}]
}

func newFailures() *failures {
	return &failures{
		guesses: quota.NewLimiters(func() *rate.Limiter { return rate.NewLimiter(rate.Every(failureEvery), failuresAtOnce) }),
		lookUps: quota.NewLimiters(func() *rate.Limiter { return rate.NewLimiter(sessionsPerSecond, sessionsAtOnce) }),
		good:    otter.Must(&otter.Options[hash, struct{}]{MaximumSize: mostGood}),
	}
}

// check returns nil, or a [*TooManyFailuresError].
func (f *failures) check(who caller.Caller) error {
	if wait := quota.Wait(f.guesses.Of(who), 1); wait > 0 {
		return &TooManyFailuresError{After: wait}
	}
	return nil
}

// remember remembers a session that is good.
func (f *failures) remember(session string) { f.good.Set(secret(session).hash(), struct{}{}) }

// wasGood reports whether a session was good lately.
func (f *failures) wasGood(session string) bool {
	_, was := f.good.GetIfPresent(secret(session).hash())
	return was
}

// checkSession is check for a session, which is not known by heart.
func (f *failures) checkSession(who caller.Caller, session string) error {
	if f.wasGood(session) || f.check(who) == nil {
		return nil
	}
	if wait := quota.Take(f.lookUps.Of(who), 1); wait > 0 {
		return &TooManyFailuresError{After: wait}
	}
	return nil
}

// note counts a failure.
func (f *failures) note(who caller.Caller) { quota.Take(f.guesses.Of(who), 1) }
