package main_test

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

const day = 24 * time.Hour

// daysBefore returns the time so many days ago, of 24 hours, as a purge counts them.
func daysBefore(days int) time.Time { return time.Now().Add(-time.Duration(days) * day) }

// refusals is what clients know of the logs that services refuse for good: those that are too
// old, which were or will be purged, and those of erased learners. At first there are none.
type refusals struct {
	mu sync.Mutex
	// Logs that are older than keptDays may be refused, and purged when they are a day older.
	// 0 is for ever. All services refuse what is from before refusedBefore.
	keptDays      int
	refusedBefore time.Time
	// erased has since when all services refuse logs of a learner; the zero time means that
	// they may.
	erased map[uuid.UUID]time.Time
}

func (r *refusals) days() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keptDays
}

// keep says that logs that are older than so many days may be refused from now on.
func (r *refusals) keep(days int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keptDays = days
}

// refuse says that all services refuse logs from before an instant.
func (r *refusals) refuse(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusedBefore = before
}

// erase says that logs of a learner may be refused from now on, and must be from then on. The
// zero time means that this isn't known yet.
func (r *refusals) erase(user uuid.UUID, from time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.erased == nil {
		r.erased = make(map[uuid.UUID]time.Time)
	}
	r.erased[user] = from
}

// isErased reports whether a learner may be erased, or be about to be.
func (r *refusals) isErased(user uuid.UUID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, is := r.erased[user]
	return is
}

// must reports whether a log must be refused if it is posted now.
func (r *refusals) must(log content) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	from := r.erased[log.user]
	return log.time().Before(r.refusedBefore) || !from.IsZero() && time.Now().After(from)
}

// may reports whether a log may have been refused by an outcome.
func (r *refusals) may(log content, outcome string) bool {
	switch outcome {
	case "too_old":
		return r.isOlder(log, 0)
	case "erased":
		return r.isErased(log.user)
	default:
		return false
	}
}

// mayBePurged reports whether a log may have been purged, if it was recorded.
func (r *refusals) mayBePurged(log content) bool { return r.isOlder(log, 1) }

// mayBeGone reports whether services may not know a log any more that was recorded.
func (r *refusals) mayBeGone(log content) bool {
	return r.mayBePurged(log) || r.isErased(log.user)
}

// isOlder reports whether a log is older, by so many days, than logs are kept.
func (r *refusals) isOlder(log content, byDays int) bool {
	kept := r.days()
	return kept > 0 && log.time().Before(daysBefore(kept+byDays))
}
