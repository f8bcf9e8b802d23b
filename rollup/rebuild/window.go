package rebuild

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/rollup"
)

// window is a range of instants: lower is included, upper is not. Nil means no
// limit.
type window struct{ lower, upper *time.Time }

// periods returns the window of the starts of the periods in scope.
func (s Scope) periods(granularity rollup.Granularity, zone *time.Location) window {
	var w window
	if s.From != nil {
		w.lower = new(granularity.StartOf(*s.From, zone))
	}
	if s.To != nil {
		w.upper = new(granularity.Next(granularity.StartOf(*s.To, zone), zone))
	}
	return w
}

func (w window) within(other window) window {
	if w.lower == nil || (other.lower != nil && other.lower.After(*w.lower)) {
		w.lower = other.lower
	}
	if w.upper == nil || (other.upper != nil && other.upper.Before(*w.upper)) {
		w.upper = other.upper
	}
	return w
}

// around returns the smallest window that contains both.
func (w window) around(other window) window {
	if w.lower != nil && (other.lower == nil || other.lower.Before(*w.lower)) {
		w.lower = other.lower
	}
	if w.upper != nil && (other.upper == nil || other.upper.After(*w.upper)) {
		w.upper = other.upper
	}
	return w
}

// logs returns the window of the logs that belong to periods that start in w.
func (w window) logs(granularity rollup.Granularity, zone *time.Location) window {
	// If the clocks show midnight twice, a day has logs from before its start. The
	// periods themselves are cut exactly, so reading a few more logs does no harm.
	const margin = 24 * time.Hour
	var logs window
	if w.lower != nil {
		logs.lower = new(w.lower.Add(-margin))
	}
	if w.upper != nil {
		lastPeriod := granularity.StartOf(w.upper.Add(-time.Microsecond), zone)
		logs.upper = new(granularity.Next(lastPeriod, zone).Add(margin))
	}
	return logs
}

// bounds returns w as parameters for PostgreSQL.
func (w window) bounds() (lower, upper pgtype.Timestamptz) {
	lower = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	upper = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		lower = pgtype.Timestamptz{Time: *w.lower, Valid: true}
	}
	if w.upper != nil {
		upper = pgtype.Timestamptz{Time: *w.upper, Valid: true}
	}
	return lower, upper
}

// dates returns w, whose ends must be starts of periods, as dates on the clocks of
// zone.
func (w window) dates(zone *time.Location) (first, end pgtype.Timestamp) {
	first = pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	end = pgtype.Timestamp{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		first = dateOf(*w.lower, zone)
	}
	if w.upper != nil {
		end = dateOf(*w.upper, zone)
	}
	return first, end
}

func dateOf(t time.Time, zone *time.Location) pgtype.Timestamp {
	year, month, day := t.In(zone).Date()
	return pgtype.Timestamp{Time: time.Date(year, month, day, 0, 0, 0, 0, time.UTC), Valid: true}
}

// logs returns the window of all logs that belong to periods of the scope that start
// in w.
func (s Scope) logs(w window, zone *time.Location) window {
	var logs window
	for i, granularity := range rollup.Granularities() {
		of := s.periods(granularity, zone).within(w).logs(granularity, zone)
		if i == 0 {
			logs = of
		} else {
			logs = logs.around(of)
		}
	}
	return logs
}
