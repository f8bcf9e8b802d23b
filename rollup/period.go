package rollup

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Granularity is the length of a period. The table, the API and PostgreSQL's date_trunc
// all use its text as the name.
type Granularity string

// The granularities that are rolled up: a day, an ISO week (from Monday) and a calendar
// month.
const (
	Day   Granularity = "day"
	Week  Granularity = "week"
	Month Granularity = "month"
)

// The granularities whose sums are added up from those of months: a calendar year, and
// the one period that has all dates. That one begins on 1 January of the year 1.
const (
	Year  Granularity = "year"
	Total Granularity = "total"
)

// Errors of ranges of dates.
var (
	// ErrEmptyRange means that a range ends before it begins.
	ErrEmptyRange = errors.New("from must not be after to")
	// ErrTooManyPeriods means that a range has more periods than allowed.
	ErrTooManyPeriods = errors.New("too many periods")
)

// Granularities returns every granularity that is rolled up, the shortest first.
func Granularities() []Granularity {
	return []Granularity{Day, Week, Month}
}

// ParseGranularity returns the granularity that text names, or an error that
// lists the names.
func ParseGranularity(text string) (Granularity, error) {
	granularity := Granularity(text)
	if !slices.Contains([]Granularity{Day, Week, Month, Year, Total}, granularity) {
		return "", fmt.Errorf("unknown granularity %q: expected day, week, month, year or total", text)
	}
	return granularity, nil
}

// RolledUp returns the granularity of the rows from which the sums of this one are read.
func (g Granularity) RolledUp() Granularity {
	if g == Year || g == Total {
		return Month
	}
	return g
}

// Start returns the first date of the period that contains a date. A period is named
// by that date.
//
// It panics for an unknown granularity, which is a programming error.
func (g Granularity) Start(date Date) Date { return g.Add(date, 0) }

// Next returns the first date after the period that contains a date.
func (g Granularity) Next(date Date) Date { return g.Add(date, 1) }

// Add returns the first date of the period that comes so many periods after the one
// that contains a date, or before it if the number is negative.
func (g Granularity) Add(date Date, periods int) Date {
	switch g {
	case Day:
		return date + Date(periods) //nolint:gosec // years up to a million fit
	case Week:
		const daysPerWeek, aMonday = 7, 4 // 5 January 1970
		monday := floorDiv(int64(date-aMonday), daysPerWeek) + int64(periods)
		return aMonday + Date(daysPerWeek*monday) //nolint:gosec // see above
	case Month:
		year, month, _ := date.Time().Date()
		return NewDate(year, month+time.Month(periods), 1)
	case Year:
		return NewDate(date.Time().Year()+periods, time.January, 1)
	case Total:
		const allYears = 9999
		return NewDate(1+allYears*periods, time.January, 1)
	default:
		panic(fmt.Sprintf("rollup: unknown granularity %q", string(g)))
	}
}

// Starts returns the first dates, in order, of all periods from the one that contains
// from to the one that contains to, both included. It is empty if from is after to. It
// fails with [ErrTooManyPeriods] if there are more than limit.
func (g Granularity) Starts(from, to Date, limit int) ([]Date, error) {
	first, last := g.Start(from), g.Start(to)
	starts := make([]Date, 0, min(limit, g.AtMost(first, last)))
	for start := first; start <= last; start = g.Next(start) {
		if len(starts) == limit {
			return nil, ErrTooManyPeriods
		}
		starts = append(starts, start)
	}
	return starts, nil
}

// AtMost returns a number of periods that a range, from a date to another, has at most. It
// isn't much larger than the number that it has.
func (g Granularity) AtMost(from, to Date) int {
	days := max(0, int(to-from)+1)
	switch g {
	case Day:
		return days
	case Week:
		return days/7 + 2
	case Month:
		return days/28 + 2
	case Total:
		return 1
	default:
		return days/365 + 2
	}
}
