package chart

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"learninglog/rollup"
)

// PeriodName names the period that starts at an instant, by the clocks of the instant's
// zone, such as "week 10 of 2026, from 2 March 2026".
func PeriodName(granularity rollup.Granularity, start time.Time) string {
	switch granularity {
	case rollup.Week:
		year, week := start.ISOWeek()
		return fmt.Sprintf("week %d of %d, from %s", week, year, Date(start))
	case rollup.Month:
		return start.Format("January 2006")
	default:
		return start.Format("Monday, 2 January 2006")
	}
}

func shortName(granularity rollup.Granularity, start time.Time) string {
	if granularity == rollup.Month {
		return start.Format("Jan 2006")
	}
	return start.Format("2 Jan")
}

// Date writes the date of an instant in its zone, such as "2 March 2026".
func Date(t time.Time) string { return t.Format("2 January 2006") }

// Count writes a number of things, such as "1 word" and "1,234 words". Charts are
// full of them: english.Plural, which formats by verbs, takes a fifth of a drawing.
func Count(n int64, thing string) string {
	return humanize.Comma(n) + " " + english.PluralWord(int(n), thing, "")
}
