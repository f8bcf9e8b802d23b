package command

import "time"

// Horizon is the instant before which logs are purged sooner or later. A log before it isn't
// recorded any more, because what was purged can't be told from what is new.
type Horizon interface {
	// RefusedBefore returns the instant before which logs are [TooOld], or the zero time.
	RefusedBefore() time.Time
}

type never struct{}

func (never) RefusedBefore() time.Time { return time.Time{} }

// isBefore reports whether the log's timestamp is before an instant. A log without one is of
// now.
func (l *Log) isBefore(instant time.Time) bool {
	return !l.Timestamp.IsZero() && l.Timestamp.Before(instant)
}

// tooOld returns the outcome of a log before the horizon.
func tooOld(log *Log, refusedBefore time.Time) Outcome {
	return Outcome{Status: TooOld, Errors: []FieldError{{
		Field:    "timestamp",
		Expected: "must not be before " + refusedBefore.Format(time.RFC3339) + ": logs that are as old are not kept",
		Value:    log.Timestamp.Format(time.RFC3339Nano),
	}}}
}
