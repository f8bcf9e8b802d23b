package rollup

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Granularity is the length of a period: a day, an ISO week (from Monday) or a
// month of the calendar. Its text is what the table, the API and PostgreSQL's
// date_trunc all call it.
type Granularity string

// The granularities that are rolled up.
const (
	Day   Granularity = "day"
	Week  Granularity = "week"
	Month Granularity = "month"
)

// Errors of ranges of time.
var (
	// ErrEmptyRange is the error of a range whose end comes before its beginning.
	ErrEmptyRange = errors.New("from must not be after to")
	// ErrTooManyPeriods is the error of a range of more periods than a limit.
	ErrTooManyPeriods = errors.New("too many periods")
)

// Granularities returns every granularity, the shortest first.
func Granularities() []Granularity {
	return []Granularity{Day, Week, Month}
}

// ParseGranularity returns the granularity that text names, or an error that
// lists the names.
func ParseGranularity(text string) (Granularity, error) {
	granularity := Granularity(text)
	if !slices.Contains(Granularities(), granularity) {
		return "", fmt.Errorf("unknown granularity %q: expected day, week or month", text)
	}
	return granularity, nil
}

// StartOf returns the instant, in UTC, at which the period that contains t
// starts on the clocks of zone. It is what PostgreSQL's
// date_trunc(granularity, t, zone) returns, to the microsecond, also where the
// clocks change at midnight: a midnight that they skip is the instant of the
// change, and of a midnight that they show twice it is the second.
//
// An unknown granularity is a mistake of the program and panics.
func (g Granularity) StartOf(t time.Time, zone *time.Location) time.Time {
	year, month, day := t.In(zone).Date()
	switch g {
	case Day:
	case Week:
		day -= daysSinceMonday(t.In(zone).Weekday())
	case Month:
		day = 1
	default:
		panic(fmt.Sprintf("rollup: unknown granularity %q", string(g)))
	}
	return midnight(year, month, day, zone)
}

// Next returns the start, in UTC, of the period after the one that starts at start, by
// the calendar of zone: a day may be 23 or 25 hours long. A date that the zone
// skipped altogether has no period.
func (g Granularity) Next(start time.Time, zone *time.Location) time.Time {
	year, month, day := start.In(zone).Date()
	switch g {
	case Day:
		day++
	case Week:
		// Monday itself may be a date that the zone skipped; then the period
		// starts on the day after.
		day += daysPerWeek - daysSinceMonday(start.In(zone).Weekday())
	case Month:
		month, day = month+1, 1
	default:
		panic(fmt.Sprintf("rollup: unknown granularity %q", string(g)))
	}
	return midnight(year, month, day, zone)
}

// Back returns the start, in zone, of the period so many before the one that starts
// at start.
func (g Granularity) Back(start time.Time, periods int, zone *time.Location) time.Time {
	for range periods {
		start = g.StartOf(start.Add(-time.Microsecond), zone)
	}
	return start.In(zone)
}

// Starts returns the starts, in time order, of all periods from the one that
// contains from through the one that contains to, both included. It is empty
// where from is after to, and fails with [ErrTooManyPeriods] where there are
// more than limit.
func (g Granularity) Starts(from, to time.Time, zone *time.Location, limit int) ([]time.Time, error) {
	var starts []time.Time
	last := g.StartOf(to, zone)
	for start := g.StartOf(from, zone); !start.After(last); start = g.Next(start, zone) {
		if len(starts) == limit {
			return nil, ErrTooManyPeriods
		}
		starts = append(starts, start)
	}
	return starts, nil
}

const daysPerWeek = 7

func daysSinceMonday(weekday time.Weekday) int {
	return (int(weekday) + daysPerWeek - int(time.Monday)) % daysPerWeek
}

// midnight returns the instant at which the clocks of zone show 00:00 on a
// date. [time.Date] leaves open which instant it returns around a change of the
// clocks; this follows PostgreSQL (DetermineTimeZoneOffset in
// src/backend/utils/adt/datetime.c), so that what Go reads is what SQL wrote: a
// skipped time is read with the offset before the change, a repeated one with
// the offset after it.
func midnight(year int, month time.Month, day int, zone *time.Location) time.Time {
	const dayBefore = -24 * time.Hour
	wall := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if zone == time.UTC {
		return wall
	}

	earlier := wall.Add(dayBefore).In(zone)
	before := wall.Add(-utcOffset(earlier))
	_, change := earlier.ZoneBounds()
	if change.IsZero() {
		return before
	}
	after := wall.Add(-utcOffset(change))
	switch {
	case before.Before(change) && after.Before(change):
		return before
	case before.After(change) && !after.Before(change):
		return after
	case before.After(after): // skipped
		return before
	default: // repeated
		return after
	}
}

func utcOffset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
