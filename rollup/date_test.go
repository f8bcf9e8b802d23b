package rollup_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/rollup"
)

func TestDatesAreThoseOfTheCalendar(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		date rollup.Date
		want string
	}{
		{"the zero value is the day from which Unix counts", 0, "1970-01-01"},
		{"the day before", -1, "1969-12-31"},
		{"a leap day", rollup.NewDate(2024, time.February, 29), "2024-02-29"},
		{"no leap day in 2100", rollup.NewDate(2100, time.February, 29), "2100-03-01"},
		{"a leap day in 2000", rollup.NewDate(2000, time.February, 29), "2000-02-29"},
		{"a day of the next month", rollup.NewDate(2026, time.January, 32), "2026-02-01"},
		{"a month of the next year", rollup.NewDate(2025, 13, 1), "2026-01-01"},
		{"the last day of the month before", rollup.NewDate(2026, time.January, 0), "2025-12-31"},
		{"the first year", rollup.NewDate(1, time.January, 1), "0001-01-01"},
		{"the day before, in 1 BC", rollup.NewDate(1, time.January, 0), "0000-12-31"},
		{"the last year of four digits", rollup.NewDate(9999, time.December, 31), "9999-12-31"},
		{"the date that a clock shows, not UTC's", rollup.DateOf(instant(t, "2026-01-01T08:59:59.999999+09:00")), "2026-01-01"},
		{"on a clock behind UTC", rollup.DateOf(instant(t, "2025-12-31T23:59:59.999999-09:30")), "2025-12-31"},
		{"the last instant before 1970", rollup.DateOf(instant(t, "1969-12-31T23:59:59.999999Z")), "1969-12-31"},
		{"midnight belongs to the date that it begins", rollup.DateOf(instant(t, "1969-12-31T00:00:00Z")), "1969-12-31"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, test.date.String())
			assert.Equal(t, test.want+" 00:00:00 +0000 UTC", test.date.Time().String())
			assert.Equal(t, test.date, rollup.DateOf(test.date.Time()))
		})
	}
}

func TestDatesAreWrittenAsText(t *testing.T) {
	t.Parallel()
	type sent struct {
		From *rollup.Date         `json:"from"`
		Days map[rollup.Date]bool `json:"days"`
	}
	want := sent{From: new(date(t, "2026-11-22")), Days: map[rollup.Date]bool{date(t, "1969-12-31"): true}}

	text, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, `{"from": "2026-11-22", "days": {"1969-12-31": true}}`, string(text))

	var got sent
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, want, got)
	assert.Equal(t, "on 2026-11-22", string(want.From.AppendTo([]byte("on "))))
}

// Versions without dates named periods by instants, in jobs that may still be in the
// database.
func TestADateTimeIsReadAsTheDateThatItShows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2026-01-01T00:00:00Z":             "2026-01-01",
		"2026-01-31T23:59:59.999999Z":      "2026-01-31",
		"2026-01-31T23:59:59.999999-09:30": "2026-01-31",
		"0001-01-01T00:00:00+14:00":        "0001-01-01",
	} {
		var got rollup.Date
		require.NoError(t, got.UnmarshalText([]byte(text)), "%s", text)
		assert.Equal(t, want, got.String(), "%s", text)
	}
}

func TestOtherTextsAreNoDates(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "2026", "2026-11", "2026-11-22 ", " 2026-11-22", "2026-11-22Z", "2026-11-22 08:30:00", "2026-1-2",
		"2026-02-29", "2026-13-01", "2026-00-10", "20261122", "22.11.2026", "12026-11-22", "T2026-11-2", "2026-11-22\x00",
	} {
		unchanged := rollup.Date(7)
		require.EqualError(t, unchanged.UnmarshalText([]byte(text)), "must be a date such as 2026-11-22", "%q", text)
		assert.Equal(t, rollup.Date(7), unchanged, "%q", text)
	}
}

// FirstInstant and EndInstant enclose exactly the instants at which some clock shows the
// date.
func TestADateIsShownBetweenItsFirstInstantAndItsEnd(t *testing.T) {
	t.Parallel()
	newYear := date(t, "2026-01-01")
	assert.Equal(t, "2025-12-31T10:00:00Z", newYear.FirstInstant().Format(time.RFC3339Nano))
	assert.Equal(t, "2026-01-02T12:00:00Z", newYear.EndInstant().Format(time.RFC3339Nano))

	rapid.Check(t, func(t *rapid.T) {
		date, offset := anyDate().Draw(t, "date"), anyOffset().Draw(t, "offset")
		first, end := date.FirstInstant(), date.EndInstant()
		assert.Equal(t, date, rollup.MaxOffset.DateAt(first), "the first clocks to show the date")
		assert.Less(t, offset.DateAt(first.Add(-time.Microsecond)), date, "nobody's clock shows it before")
		assert.Equal(t, date, rollup.MinOffset.DateAt(end.Add(-time.Microsecond)), "the last clocks to show the date")
		assert.Greater(t, offset.DateAt(end), date, "nobody's clock shows it any more")
	})
}

func FuzzDateUnmarshalText(f *testing.F) {
	for _, seed := range []string{
		"2026-11-22", "0000-01-01", "9999-12-31", "2024-02-29", "2026-02-29", "2026-11-22T08:30:00Z",
		"2025-12-31T23:59:59.999999Z", "2026-11-22 08:30:00Z", "", "T",
	} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^\d{4}-\d{2}-\d{2}(T|$)`)
	f.Fuzz(func(t *testing.T, text string) {
		var got rollup.Date
		if err := got.UnmarshalText([]byte(text)); err != nil {
			return
		}
		require.Regexp(t, form, text)
		require.Equal(t, text[:len(time.DateOnly)], got.String())
	})
}

func date(t require.TestingT, text string) rollup.Date {
	at, err := time.Parse(time.DateOnly, text)
	require.NoError(t, err)
	return rollup.DateOf(at)
}

// instant returns a time with the offset that text has.
func instant(t require.TestingT, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at
}

// anyDate generates dates of the years 1 to 9998.
func anyDate() *rapid.Generator[rollup.Date] {
	first, last := rollup.NewDate(1, time.January, 1), rollup.NewDate(9998, time.December, 31)
	return rapid.Map(rapid.Int32Range(int32(first), int32(last)), func(days int32) rollup.Date { return rollup.Date(days) })
}

func ExampleDate() {
	newYear := rollup.NewDate(2026, time.January, 1)
	fmt.Println(newYear, newYear-1, newYear.Time().Weekday())
	// Output: 2026-01-01 2025-12-31 Thursday
}
