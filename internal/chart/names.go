package chart

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"learninglog/rollup"
)

// PeriodName names the period that starts on a date, such as "week 10 of 2026, from
// 2 March 2026".
func PeriodName(granularity rollup.Granularity, start rollup.Date) string {
	switch granularity {
	case rollup.Week:
		year, week := start.Time().ISOWeek()
		return fmt.Sprintf("week %d of %d, from %s", week, year, Date(start))
	case rollup.Month:
		return start.Time().Format("January 2006")
	case rollup.Year:
		return start.Time().Format("2006")
	case rollup.Total:
		return "all time"
	default:
		return start.Time().Format("Monday, 2 January 2006")
	}
}

func shortName(granularity rollup.Granularity, start rollup.Date) string {
	switch granularity {
	case rollup.Month:
		return start.Time().Format("Jan 2006")
	case rollup.Year, rollup.Total:
		return PeriodName(granularity, start)
	default:
		return start.Time().Format("2 Jan")
	}
}

// Date writes a date in words, such as "2 March 2026".
func Date(date rollup.Date) string { return date.Time().Format("2 January 2006") }

// Count writes a number of things, such as "1 word" and "1,234 words". Charts are
// full of them: english.Plural, which formats by verbs, takes a fifth of a drawing.
func Count(n int64, thing string) string {
	return humanize.Comma(n) + " " + english.PluralWord(int(n), thing, "")
}
