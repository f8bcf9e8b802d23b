package rollup

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Granularity is the length of a period: a day, an ISO week (from Monday) or a
// calendar month. The table, the API and PostgreSQL's date_trunc all use its text as
// the name.
type Granularity string

// The granularities that are rolled up.
const (
	Day   Granularity = "day"
	Week  Granularity = "week"
	Month Granularity = "month"
)

// Errors of ranges of time.
var (
	// ErrEmptyRange means that a range ends before it begins.
	ErrEmptyRange = errors.New("from must not be after to")
	// ErrTooManyPeriods means that a range has more periods than allowed.
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

// StartOf returns the instant, in UTC, at which the period that contains t starts on
// the clocks of zone. It equals PostgreSQL's date_trunc(granularity, t, zone), to the
// microsecond, even where the clocks change at midnight: if they skip midnight, it is
// the instant of the change; if they show midnight twice, it is the second one.
//
// It panics for an unknown granularity, which is a programming error.
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

// Next returns the start, in UTC, of the period that follows the one that starts at
// start, by the calendar of zone: a day may be 23 or 25 hours long. A date that the
// zone skipped has no period.
func (g Granularity) Next(start time.Time, zone *time.Location) time.Time {
	year, month, day := start.In(zone).Date()
	switch g {
	case Day:
		day++
	case Week:
		// The zone may have skipped that Monday; the week then starts on the next
		// day.
		day += daysPerWeek - daysSinceMonday(start.In(zone).Weekday())
	case Month:
		month, day = month+1, 1
	default:
		panic(fmt.Sprintf("rollup: unknown granularity %q", string(g)))
	}
	return midnight(year, month, day, zone)
}

// Back returns the start, in zone, of the period that is the given number of periods
// before the one that starts at start.
func (g Granularity) Back(start time.Time, periods int, zone *time.Location) time.Time {
	for range periods {
		start = g.StartOf(start.Add(-time.Microsecond), zone)
	}
	return start.In(zone)
}

// Starts returns the starts, in time order, of all periods from the one that
// contains from to the one that contains to, both included. It is empty if from is
// after to. It fails with [ErrTooManyPeriods] if there are more than limit.
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

// midnight returns the instant at which the clocks of zone show 00:00 on a date.
// [time.Date] doesn't say which instant it returns around a change of the clocks.
// This function follows PostgreSQL (DetermineTimeZoneOffset in
// src/backend/utils/adt/datetime.c), so that Go reads the periods that SQL wrote: a
// skipped time is read with the offset before the change, a repeated one with the
// offset after it.
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
