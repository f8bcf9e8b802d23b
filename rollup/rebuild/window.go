package rebuild

import (
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/rollup"
)

// window is a range of dates: lower is included, upper is not. Nil means no limit.
type window struct{ lower, upper *rollup.Date }

// periods returns the window of the first dates of the periods in scope.
func (s Scope) periods(granularity rollup.Granularity) window {
	var w window
	if s.From != nil {
		w.lower = new(granularity.Start(*s.From))
	}
	if s.To != nil {
		w.upper = new(granularity.Next(*s.To))
	}
	return w
}

// days returns the window of all days that belong to periods of the scope that start
// in w.
func (s Scope) days(w window) window {
	days := s.periods(rollup.Day).within(w)
	for _, granularity := range rollup.Granularities() {
		periods := s.periods(granularity).within(w)
		if periods.upper != nil {
			periods.upper = new(granularity.Next(*periods.upper - 1))
		}
		days = days.around(periods)
	}
	return days
}

func (w window) within(other window) window {
	if w.lower == nil || (other.lower != nil && *other.lower > *w.lower) {
		w.lower = other.lower
	}
	if w.upper == nil || (other.upper != nil && *other.upper < *w.upper) {
		w.upper = other.upper
	}
	return w
}

// around returns the smallest window that contains both.
func (w window) around(other window) window {
	if w.lower != nil && (other.lower == nil || *other.lower < *w.lower) {
		w.lower = other.lower
	}
	if w.upper != nil && (other.upper == nil || *other.upper > *w.upper) {
		w.upper = other.upper
	}
	return w
}

func (w window) has(date rollup.Date) bool {
	return (w.lower == nil || *w.lower <= date) && (w.upper == nil || date < *w.upper)
}

// bounds returns w as parameters for PostgreSQL.
func (w window) bounds() (lower, upper pgtype.Date) {
	lower = pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	upper = pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		lower = pgtype.Date{Time: w.lower.Time(), Valid: true}
	}
	if w.upper != nil {
		upper = pgtype.Date{Time: w.upper.Time(), Valid: true}
	}
	return lower, upper
}

// inUTC returns parameters for the instants at which a clock in UTC showed a date in w.
func (w window) inUTC() (lower, upper pgtype.Timestamptz) {
	lower = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	upper = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		lower = pgtype.Timestamptz{Time: w.lower.Time(), Valid: true}
	}
	if w.upper != nil {
		upper = pgtype.Timestamptz{Time: w.upper.Time(), Valid: true}
	}
	return lower, upper
}

// instants returns parameters for the instants at which some clock showed a date in w.
func (w window) instants() (lower, upper pgtype.Timestamptz) {
	lower = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	upper = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if w.lower != nil {
		lower = pgtype.Timestamptz{Time: w.lower.FirstInstant(), Valid: true}
	}
	if w.upper != nil {
		upper = pgtype.Timestamptz{Time: (*w.upper - 1).EndInstant(), Valid: true}
	}
	return lower, upper
}
