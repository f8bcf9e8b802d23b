package rollup_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/rollup"
)

func TestStart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		granularity rollup.Granularity
		date, want  string
	}{
		{"a day is its own start", rollup.Day, "2026-11-22", "2026-11-22"},
		{"a leap day", rollup.Day, "2024-02-29", "2024-02-29"},
		{"the month of a leap day", rollup.Month, "2024-02-29", "2024-02-01"},
		{"the last day of a month", rollup.Month, "2026-11-30", "2026-11-01"},
		{"the first day of a month", rollup.Month, "2026-11-01", "2026-11-01"},
		{"the last day of a year is in December", rollup.Month, "2025-12-31", "2025-12-01"},
		{"a week starts on Monday", rollup.Week, "2026-11-22", "2026-11-16"},
		{"Monday starts its own week", rollup.Week, "2026-11-16", "2026-11-16"},
		{"Tuesday is in the week of Monday", rollup.Week, "2026-11-17", "2026-11-16"},
		{"week 53 begins in the old year", rollup.Week, "2021-01-03", "2020-12-28"},
		{"week 1 may begin in the old year", rollup.Week, "2026-01-01", "2025-12-29"},
		{"week 53 may end with the year", rollup.Week, "1980-12-31", "1980-12-29"},
		{"the week of a leap day", rollup.Week, "2024-02-29", "2024-02-26"},
		{"the first Monday that has a number", rollup.Week, "1970-01-05", "1970-01-05"},
		{"the day before it", rollup.Week, "1970-01-04", "1969-12-29"},
		{"a week before 1970", rollup.Week, "1969-12-31", "1969-12-29"},
		{"a Sunday before 1970", rollup.Week, "1969-12-28", "1969-12-22"},
		{"a month before 1970", rollup.Month, "1969-12-31", "1969-12-01"},
		{"the first year begins with a week", rollup.Week, "0001-01-01", "0001-01-01"},
		{"the last year", rollup.Month, "9999-12-31", "9999-12-01"},
		{"the last day of a year", rollup.Year, "2024-12-31", "2024-01-01"},
		{"the first day of a year", rollup.Year, "2024-01-01", "2024-01-01"},
		{"a year before 1970", rollup.Year, "1969-12-31", "1969-01-01"},
		{"the total of all dates", rollup.Total, "2026-11-22", "0001-01-01"},
		{"the total of all dates, from the last", rollup.Total, "9999-12-31", "0001-01-01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.granularity.Start(date(t, test.date)).String())
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		granularity rollup.Granularity
		date, want  string
	}{
		{"the day before a leap day", rollup.Day, "2024-02-28", "2024-02-29"},
		{"the day after a leap day", rollup.Day, "2024-02-29", "2024-03-01"},
		{"no leap day in 2100", rollup.Day, "2100-02-28", "2100-03-01"},
		{"the day after the last of a year", rollup.Day, "2025-12-31", "2026-01-01"},
		{"the month after December", rollup.Month, "2025-12-01", "2026-01-01"},
		{"the month after one of 31 days, from its last", rollup.Month, "2026-01-31", "2026-02-01"},
		{"the week after week 53", rollup.Week, "2020-12-28", "2021-01-04"},
		{"from the middle of a week", rollup.Week, "2021-01-01", "2021-01-04"},
		{"the week after the one of 1970", rollup.Week, "1969-12-30", "1970-01-05"},
		{"the year after a leap year", rollup.Year, "2024-02-29", "2025-01-01"},
		{"after all dates of four digits", rollup.Total, "2026-11-22", "10000-01-01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.granularity.Next(date(t, test.date)).String())
		})
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		granularity rollup.Granularity
		date        string
		periods     int
		want        string
	}{
		{"days across a leap day", rollup.Day, "2024-02-28", 2, "2024-03-01"},
		{"days back across a year's end", rollup.Day, "2026-01-01", -1, "2025-12-31"},
		{"days back across 1970", rollup.Day, "1970-01-02", -3, "1969-12-30"},
		{"weeks, from the middle of one", rollup.Week, "2020-12-31", 1, "2021-01-04"},
		{"weeks back across week 53", rollup.Week, "2021-01-10", -1, "2020-12-28"},
		{"a year of weeks back", rollup.Week, "2021-01-04", -53, "2019-12-30"},
		{"weeks back across 1970", rollup.Week, "1970-01-06", -2, "1969-12-22"},
		{"months, from the last day of one", rollup.Month, "2026-01-31", 1, "2026-02-01"},
		{"months back, from the last day of one", rollup.Month, "2026-03-31", -1, "2026-02-01"},
		{"months back across a year's end", rollup.Month, "2026-01-15", -1, "2025-12-01"},
		{"a year of months", rollup.Month, "2024-02-29", 12, "2025-02-01"},
		{"years of months back", rollup.Month, "2024-02-29", -25, "2022-01-01"},
		{"years, from a leap day", rollup.Year, "2024-02-29", 2, "2026-01-01"},
		{"years back, from the last day of one", rollup.Year, "2025-12-31", -1, "2024-01-01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.granularity.Add(date(t, test.date), test.periods).String())
		})
	}
}

// The periods of a granularity follow each other without gaps, and each date is in one
// of them.
func TestPeriodsDivideTheCalendar(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		granularity := rapid.SampledFrom(append(rollup.Granularities(), rollup.Year)).Draw(t, "granularity")
		date := anyDate().Draw(t, "date")
		steps := rapid.IntRange(0, 40).Draw(t, "steps")

		start, next := granularity.Start(date), granularity.Next(date)
		require.LessOrEqual(t, start, date)
		require.Greater(t, next, date)
		require.Equal(t, start, granularity.Start(next-1), "the day before the next period is in this one")
		require.Equal(t, next, granularity.Start(next), "the next period starts at a start")

		stepped := start
		for range steps {
			stepped = granularity.Next(stepped)
		}
		require.Equal(t, stepped, granularity.Add(date, steps), "to add is to go on that many times")
		require.Equal(t, start, granularity.Add(stepped, -steps), "and back")

		switch granularity {
		case rollup.Day:
			require.Equal(t, date+1, next)
		case rollup.Week:
			require.Equal(t, start+7, next)
			require.Equal(t, time.Monday, start.Time().Weekday())
		case rollup.Month:
			require.Equal(t, 1, start.Time().Day())
			require.Equal(t, date.Time().Format("2006-01"), start.Time().Format("2006-01"))
		case rollup.Year:
			require.Equal(t, 1, start.Time().YearDay())
			require.Equal(t, date.Time().Year(), start.Time().Year())
		case rollup.Total: // has no other periods before or after it
		}
	})
}

func TestTheTotalHasAllDates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		date := anyDate().Draw(t, "date")
		require.LessOrEqual(t, rollup.Total.Start(date), date)
		require.Greater(t, rollup.Total.Next(date), date)
	})
	starts, err := rollup.Total.Starts(date(t, "0001-01-01"), date(t, "9999-12-31"), 1)
	require.NoError(t, err)
	assert.Equal(t, []rollup.Date{date(t, "0001-01-01")}, starts)
}

// The sums of a period can be added up from the rows of whole periods that are rolled up.
func TestPeriodsAreMadeOfWholePeriodsThatAreRolledUp(t *testing.T) {
	t.Parallel()
	for granularity, want := range map[rollup.Granularity]rollup.Granularity{
		rollup.Day: rollup.Day, rollup.Week: rollup.Week, rollup.Month: rollup.Month,
		rollup.Year: rollup.Month, rollup.Total: rollup.Month,
	} {
		rows := granularity.RolledUp()
		assert.Equal(t, want, rows)
		assert.Contains(t, rollup.Granularities(), rows)
		rapid.Check(t, func(t *rapid.T) {
			date := anyDate().Draw(t, "date")
			require.Equal(t, granularity.Start(date), granularity.Start(rows.Start(date)))
			require.Equal(t, granularity.Start(date), granularity.Start(rows.Next(date)-1))
		})
	}
}

func TestAnUnknownGranularityPanics(t *testing.T) {
	t.Parallel()
	assert.PanicsWithValue(t, `rollup: unknown granularity "quarter"`, func() { rollup.Granularity("quarter").Start(0) })
}

func TestStarts(t *testing.T) {
	t.Parallel()
	thursday, monday := date(t, "2020-12-31"), date(t, "2021-01-04")

	starts, err := rollup.Week.Starts(thursday, monday, 2)
	require.NoError(t, err)
	assert.Equal(t, []rollup.Date{date(t, "2020-12-28"), monday}, starts,
		"both ends are in the range, and a range of as many periods as the limit is allowed")

	_, err = rollup.Week.Starts(thursday, monday, 1)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)

	starts, err = rollup.Day.Starts(monday, monday, 1)
	require.NoError(t, err)
	assert.Equal(t, []rollup.Date{monday}, starts, "a range of one day")

	starts, err = rollup.Month.Starts(date(t, "2023-12-31"), date(t, "2024-03-01"), 100)
	require.NoError(t, err)
	assert.Equal(t, []rollup.Date{
		date(t, "2023-12-01"), date(t, "2024-01-01"), date(t, "2024-02-01"), date(t, "2024-03-01"),
	}, starts)

	starts, err = rollup.Day.Starts(monday, thursday, 1)
	require.NoError(t, err)
	assert.Empty(t, starts, "a range that ends before it begins")
}

func TestParseGranularity(t *testing.T) {
	t.Parallel()
	for _, granularity := range []rollup.Granularity{rollup.Day, rollup.Week, rollup.Month, rollup.Year, rollup.Total} {
		got, err := rollup.ParseGranularity(string(granularity))
		require.NoError(t, err)
		assert.Equal(t, granularity, got)
	}
	for _, text := range []string{"", "Day", "quarter", "years", "day\x00"} {
		_, err := rollup.ParseGranularity(text)
		assert.EqualError(t, err, fmt.Sprintf("unknown granularity %q: expected day, week, month, year or total", text))
	}
}

func ExampleGranularity_Starts() {
	from, to := rollup.NewDate(2026, time.November, 20), rollup.NewDate(2026, time.November, 23)
	weeks, _ := rollup.Week.Starts(from, to, 100)
	for _, start := range weeks {
		fmt.Println(start)
	}
	// Output:
	// 2026-11-16
	// 2026-11-23
}

func ExampleGranularity_Add() {
	lastOfMay := rollup.NewDate(2026, time.May, 31)
	fmt.Println(rollup.Month.Add(lastOfMay, -1))
	// Output: 2026-04-01
}
