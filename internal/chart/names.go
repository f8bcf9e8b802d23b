package chart

import (
	"strconv"

	"learninglog/internal/language"
	"learninglog/rollup"
)

// PeriodName names the period that starts on a date, such as "week 10 of 2026, from
// 2 March 2026".
func PeriodName(locale *language.Locale, granularity rollup.Granularity, start rollup.Date) string {
	switch granularity {
	case rollup.Week:
		year, week := start.Time().ISOWeek()
		return locale.Text("period.week", "week", strconv.Itoa(week), "year", strconv.Itoa(year), "date", start)
	case rollup.Month:
		return locale.Month(start)
	case rollup.Year:
		return locale.Year(start)
	case rollup.Total:
		return locale.Text("period.total")
	default:
		return locale.FullDate(start)
	}
}

func shortName(locale *language.Locale, granularity rollup.Granularity, start rollup.Date) string {
	switch granularity {
	case rollup.Month:
		return locale.ShortMonth(start)
	case rollup.Year, rollup.Total:
		return PeriodName(locale, granularity, start)
	default:
		return locale.ShortDay(start)
	}
}

// Range names the time from one date to another.
func Range(locale *language.Locale, from, to rollup.Date) string {
	return locale.Text("range", "from", from, "to", to)
}
