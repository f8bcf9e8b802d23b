package rollup_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/internal/pgtest"
	"learninglog/rollup"
)

func TestStartOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, zone  string
		granularity rollup.Granularity
		at, want    string // local times of the zone, with their offsets
	}{
		{"a day starts at midnight", "UTC", rollup.Day, "2026-11-22T23:59:59.999999Z", "2026-11-22T00:00:00Z"},
		{"midnight belongs to the day that it starts", "UTC", rollup.Day, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z"},
		{"a leap day", "UTC", rollup.Day, "2024-02-29T12:00:00Z", "2024-02-29T00:00:00Z"},
		{"the month of a leap day", "UTC", rollup.Month, "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z"},
		{"the last instant of a year is in December", "UTC", rollup.Month, "2025-12-31T23:59:59Z", "2025-12-01T00:00:00Z"},
		{"a week starts on Monday", "UTC", rollup.Week, "2026-11-22T23:00:00Z", "2026-11-16T00:00:00Z"},
		{"Monday starts its own week", "UTC", rollup.Week, "2026-11-16T00:00:00Z", "2026-11-16T00:00:00Z"},
		{"week 53 begins in the old year", "UTC", rollup.Week, "2021-01-03T12:00:00Z", "2020-12-28T00:00:00Z"},
		{"week 1 may begin in the old year", "UTC", rollup.Week, "2026-01-01T00:00:00Z", "2025-12-29T00:00:00Z"},
		{"before 1970", "UTC", rollup.Week, "1969-12-31T00:00:00Z", "1969-12-29T00:00:00Z"},

		{"a zone's day, not UTC's", "Asia/Tokyo", rollup.Day, "2026-01-01T08:59:00+09:00", "2026-01-01T00:00:00+09:00"},
		{"half an hour off", "Asia/Kolkata", rollup.Day, "2026-01-01T05:00:00+05:30", "2026-01-01T00:00:00+05:30"},
		{"45 minutes off", "Asia/Kathmandu", rollup.Day, "2026-01-01T00:10:00+05:45", "2026-01-01T00:00:00+05:45"},
		{"45 minutes off, with summer time", "Pacific/Chatham", rollup.Month, "2026-01-31T00:10:00+13:45", "2026-01-01T00:00:00+13:45"},

		{"a day of 23 hours", "Europe/Berlin", rollup.Day, "2026-03-29T12:00:00+02:00", "2026-03-29T00:00:00+01:00"},
		{"a day of 25 hours", "Europe/Berlin", rollup.Day, "2026-10-25T12:00:00+01:00", "2026-10-25T00:00:00+02:00"},
		{"the hour that comes twice, first", "Europe/Berlin", rollup.Day, "2026-10-25T02:30:00+02:00", "2026-10-25T00:00:00+02:00"},
		{"the hour that comes twice, second", "Europe/Berlin", rollup.Day, "2026-10-25T02:30:00+01:00", "2026-10-25T00:00:00+02:00"},
		{"a week across a change", "Europe/Berlin", rollup.Week, "2026-10-25T23:00:00+01:00", "2026-10-19T00:00:00+02:00"},
		{"a month across a change", "Europe/Berlin", rollup.Month, "2026-03-31T12:00:00+02:00", "2026-03-01T00:00:00+01:00"},
		{"a change of half an hour", "Australia/Lord_Howe", rollup.Day, "2026-04-05T12:00:00+10:30", "2026-04-05T00:00:00+11:00"},
		{"a midnight that is skipped", "America/Sao_Paulo", rollup.Day, "2018-11-04T12:00:00-02:00", "2018-11-04T01:00:00-02:00"},
		{"a midnight that comes twice", "America/Havana", rollup.Day, "2026-11-01T12:00:00-05:00", "2026-11-01T00:00:00-05:00"},
		{"before a midnight that comes again", "America/Havana", rollup.Day, "2026-11-01T00:30:00-04:00", "2026-11-01T00:00:00-05:00"},
		{"after a date that was skipped", "Pacific/Apia", rollup.Day, "2011-12-31T12:00:00+14:00", "2011-12-31T00:00:00+14:00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := test.granularity.StartOf(instant(t, test.at), zone(t, test.zone))
			assert.Equal(t, instant(t, test.want), got)
		})
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, zone  string
		granularity rollup.Granularity
		start, want string
	}{
		{"the day after a leap day", "UTC", rollup.Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"no leap day in 2100", "UTC", rollup.Day, "2100-02-28T00:00:00Z", "2100-03-01T00:00:00Z"},
		{"the month after December", "UTC", rollup.Month, "2025-12-01T00:00:00Z", "2026-01-01T00:00:00Z"},
		{"the week after week 53", "UTC", rollup.Week, "2020-12-28T00:00:00Z", "2021-01-04T00:00:00Z"},
		{"a day of 23 hours", "Europe/Berlin", rollup.Day, "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"},
		{"a day of 25 hours", "Europe/Berlin", rollup.Day, "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"},
		{"a midnight that is skipped", "America/Sao_Paulo", rollup.Day, "2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00"},
		{"from a midnight that was skipped", "America/Sao_Paulo", rollup.Day, "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"},
		{"a midnight that comes twice", "America/Havana", rollup.Day, "2026-10-31T00:00:00-04:00", "2026-11-01T00:00:00-05:00"},
		{"a date that was skipped has no period", "Pacific/Apia", rollup.Day, "2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := test.granularity.Next(instant(t, test.start), zone(t, test.zone))
			assert.Equal(t, instant(t, test.want), got)
		})
	}
}

func TestStarts(t *testing.T) {
	t.Parallel()
	at := func(text string) time.Time { return instant(t, text) }

	starts, err := rollup.Week.Starts(at("2020-12-31T23:00:00Z"), at("2021-01-04T00:00:00Z"), time.UTC, 2)
	require.NoError(t, err)
	assert.Equal(t, []time.Time{at("2020-12-28T00:00:00Z"), at("2021-01-04T00:00:00Z")}, starts,
		"both ends are in the range, and a range of as many periods as the limit is allowed")

	_, err = rollup.Week.Starts(at("2020-12-31T23:00:00Z"), at("2021-01-04T00:00:00Z"), time.UTC, 1)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)

	starts, err = rollup.Day.Starts(at("2026-01-02T00:00:00Z"), at("2026-01-01T00:00:00Z"), time.UTC, 1)
	require.NoError(t, err)
	assert.Empty(t, starts, "a range that ends before it begins")
}

func TestParseGranularity(t *testing.T) {
	t.Parallel()
	for _, granularity := range rollup.Granularities() {
		got, err := rollup.ParseGranularity(string(granularity))
		require.NoError(t, err)
		assert.Equal(t, granularity, got)
	}
	for _, text := range []string{"", "Day", "year", "day\x00"} {
		_, err := rollup.ParseGranularity(text)
		assert.Error(t, err, "%q", text)
	}
}

// Go reads what SQL wrote, so both must have the same periods, in every zone and
// around every change of the clocks.
func TestPeriodsAreThoseOfPostgreSQL(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	zones := []string{
		"UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York", "America/Sao_Paulo", "America/Havana",
		"America/St_Johns", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Beirut", "Asia/Amman",
		"Australia/Lord_Howe", "Pacific/Chatham", "Pacific/Apia", "Pacific/Kiritimati", "Africa/Cairo", "Atlantic/Azores",
	}
	first := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	last := time.Date(2037, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		location := zone(t, name)
		granularity := rapid.SampledFrom(rollup.Granularities()).Draw(t, "granularity")
		instants := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Time {
			at := time.UnixMicro(rapid.Int64Range(first, last).Draw(t, "microseconds"))
			if rapid.Bool().Draw(t, "around a change of the clocks") {
				if _, change := at.In(location).ZoneBounds(); !change.IsZero() {
					at = change.Add(time.Duration(rapid.Int64Range(-26*3600, 26*3600).Draw(t, "seconds")) * time.Second)
				}
			}
			return at.UTC()
		}), 50, 50).Draw(t, "instants")

		rows, err := pool.Query(context.Background(), `
			SELECT date_trunc($2, at, $3)
			FROM unnest($1::timestamptz[]) WITH ORDINALITY AS given (at, place)
			ORDER BY place`, instants, string(granularity), name)
		require.NoError(t, err)
		starts, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
		require.NoError(t, err)

		for i, at := range instants {
			got := granularity.StartOf(at, location)
			require.True(t, got.Equal(starts[i]), "the %s of %s in %s starts at %s, PostgreSQL says %s",
				granularity, at, name, got, starts[i].UTC())

			next := granularity.Next(got, location)
			require.True(t, next.After(got), "the %s after %s in %s", granularity, got, name)
			require.Equal(t, next, granularity.StartOf(next, location), "the next %s starts at a start", granularity)
		}
	})
}

func instant(t require.TestingT, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return at.UTC()
}

func zone(t require.TestingT, name string) *time.Location {
	location, err := time.LoadLocation(name)
	require.NoError(t, err)
	return location
}

func ExampleGranularity_Starts() {
	from := time.Date(2026, time.November, 20, 15, 0, 0, 0, time.UTC)
	to := time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)
	weeks, _ := rollup.Week.Starts(from, to, time.UTC, 100)
	for _, start := range weeks {
		fmt.Println(start.Format(time.DateOnly))
	}
	// Output:
	// 2026-11-16
	// 2026-11-23
}
