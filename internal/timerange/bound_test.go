package timerange_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/timerange"
)

func TestParse(t *testing.T) {
	t.Parallel()
	havana, err := time.LoadLocation("America/Havana")
	require.NoError(t, err)
	for _, test := range []struct {
		name, text string
		zone       *time.Location
		at, until  string // empty: refused
	}{
		{"a date is a whole day", "2026-11-22", time.UTC, "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"a date of a zone", "2026-11-01", havana, "2026-11-01T05:00:00Z", "2026-11-02T05:00:00Z"},
		{"a leap day", "2024-02-29", time.UTC, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"an instant", "2026-11-22T08:30:00.5+01:00", time.UTC, "2026-11-22T07:30:00.5Z", "2026-11-22T07:30:00.500001Z"},
		{"no such date", "2026-02-29", time.UTC, "", ""},
		{"no offset", "2026-11-22T08:30:00", time.UTC, "", ""},
		{"a plus that a URL made a space", "2026-11-22T08:30:00 01:00", time.UTC, "", ""},
		{"a year of five digits", "12026-11-22", time.UTC, "", ""},
		{"the year 0", "0000-01-01", time.UTC, "", ""},
		{"the last year", "9999-01-01", time.UTC, "", ""},
		{"a number", "1763800000", time.UTC, "", ""},
		{"a NUL byte", "2026-11-22\x00", time.UTC, "", ""},
		{"nothing", "", time.UTC, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			bound, err := timerange.Parse(test.text, test.zone)
			if test.at == "" {
				require.ErrorContains(t, err, "must be")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.at, bound.At.Format(time.RFC3339Nano))
			assert.Equal(t, test.until, bound.Until(test.zone).Format(time.RFC3339Nano))
		})
	}

	_, err = timerange.Parse("2026-11-22T08:30:00 01:00", time.UTC)
	require.ErrorContains(t, err, "%2B", "it says how to write a plus")
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"2026-11-22", "2026-11-22T08:30:00Z", "2026-11-22T08:30:00.123456789+05:45", "9998-12-31", "0001-01-01T00:00:00+23:59", " ", "+"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bound, err := timerange.Parse(text, time.UTC)
		if err != nil {
			return
		}
		year := bound.At.Year()
		require.True(t, year >= 1 && year <= 9998, "%v", bound.At)
		require.True(t, bound.Until(time.UTC).After(bound.At))
		again, err := timerange.Parse(bound.At.Format(time.RFC3339Nano), time.UTC)
		require.NoError(t, err)
		require.Equal(t, bound.At, again.At)
	})
}

// ParseInstant refuses what the time package accepts beyond RFC 3339.
func FuzzParseInstant(f *testing.F) {
	for _, seed := range []string{
		"2026-11-22T08:30:00Z", "2026-11-22T08:30:00.123456789+05:45", "2026-11-22T08:30:00-23:59",
		"2026-11-22T8:30:00Z", "2026-11-22T08:30:00,5Z", "2026-11-22T08:30:00+24:00", "2026-11-22T08:30:00+23:60",
		"2026-11-22t08:30:00z", "2026-11-22T08:30:00", "2026-11-22T08:30:60Z", "2026-02-29T08:30:00Z", "", "2026",
	} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := timerange.ParseInstant(text)
		want, wrong := time.Parse(time.RFC3339Nano, text)
		require.Equal(t, form.MatchString(text) && wrong == nil, err == nil, "%q", text)
		if err == nil {
			require.True(t, at.Equal(want))
			require.Equal(t, time.UTC, at.Location())
		}
	})
}
