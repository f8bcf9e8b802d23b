package timerange_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/timerange"
)

// refused are texts that are neither dates nor date-times, by what is wrong with them.
func refused() map[string]string {
	return map[string]string{
		"no such date":                     "2026-02-29",
		"no such time":                     "2026-11-22T24:00:00Z",
		"no offset":                        "2026-11-22T08:30:00",
		"no time":                          "2026-11-22T",
		"no seconds":                       "2026-11-22T08:30Z",
		"an offset of a day":               "2026-11-22T08:30:00+24:00",
		"a plus that a URL made a space":   "2026-11-22T08:30:00 01:00",
		"a space instead of a T":           "2026-11-22 08:30:00Z",
		"a date that isn't padded":         "2026-1-2",
		"a month":                          "2026-11",
		"a week":                           "2026-W47",
		"a year of five digits":            "12026-11-22",
		"the year 0":                       "0000-01-01",
		"the year 0, at an instant":        "0000-12-31T23:59:59Z",
		"the last year":                    "9999-01-01",
		"the last year, at an instant":     "9999-01-01T00:00:00+14:00",
		"a number":                         "1763800000",
		"a number of ten digits":           "2026112200",
		"a NUL byte":                       "2026-11-22\x00",
		"a blank before it":                " 2026-11-22",
		"a word":                           "yesterday",
		"nothing":                          "",
		"a date with a minus of its own":   "-026-11-22",
		"digits that are digits elsewhere": "２０２６-11-22",
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"a date":                                 {"2026-11-22", "2026-11-22"},
		"a leap day":                             {"2024-02-29", "2024-02-29"},
		"before 1970":                            {"1969-12-31", "1969-12-31"},
		"the first date":                         {"0001-01-01", "0001-01-01"},
		"the last date":                          {"9998-12-31", "9998-12-31"},
		"a date-time":                            {"2026-11-22T08:30:00Z", "2026-11-22"},
		"the last instant of a date":             {"2026-11-22T23:59:59.999999999Z", "2026-11-22"},
		"what a date-time shows, ahead of UTC":   {"2026-11-22T00:30:00+14:00", "2026-11-22"},
		"what a date-time shows, behind UTC":     {"2026-11-22T23:30:00-12:00", "2026-11-22"},
		"the first date that a date-time shows":  {"0001-01-01T00:00:00+14:00", "0001-01-01"},
		"the last date that a date-time shows":   {"9998-12-31T23:59:59-12:00", "9998-12-31"},
		"an offset that no clock has had so far": {"2026-11-22T12:00:00+23:59", "2026-11-22"},
	} {
		got, err := timerange.ParseDate(test.text)
		require.NoError(t, err, name)
		assert.Equal(t, test.want, got.String(), name)
	}
	for name, text := range refused() {
		_, err := timerange.ParseDate(text)
		assert.ErrorContains(t, err, "must be", "%s: %q", name, text)
	}
}

func TestParseSince(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"a date is its first instant in UTC", "2026-11-22", "2026-11-22T00:00:00Z"},
		{"a date-time", "2026-11-22T08:30:00.5+01:00", "2026-11-22T07:30:00.5Z"},
		{"a date-time in UTC", "2026-11-22T08:30:00Z", "2026-11-22T08:30:00Z"},
		{"the first date", "0001-01-01", "0001-01-01T00:00:00Z"},
		{"the last date", "9998-12-31", "9998-12-31T00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := timerange.ParseSince(test.text)
			require.NoError(t, err)
			assert.Equal(t, test.want, got.Format(time.RFC3339Nano))
		})
	}
	for name, text := range refused() {
		_, err := timerange.ParseSince(text)
		assert.ErrorContains(t, err, "must be", "%s: %q", name, text)
	}
}

func TestErrorsSayWhatIsExpected(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"yesterday":                 timerange.Expected,
		"2026-11-22T08:30:00 01:00": timerange.Expected + "; in a URL, + must be written %2B",
		"2026-11-22 08:30:00Z":      timerange.Expected,
		"0000-01-01":                "must be in the years 1 to 9998",
		"9999-12-31T00:00:00Z":      "must be in the years 1 to 9998",
	} {
		_, err := timerange.ParseDate(text)
		require.EqualError(t, err, want, "%q", text)
		_, err = timerange.ParseSince(text)
		require.EqualError(t, err, want, "%q", text)
	}
}

func TestParseDateTimeKeepsTheOffset(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"2026-11-22T08:30:00Z", "2026-11-22T08:30:00.123456789+05:45", "2026-11-22T08:30:00-23:59", "0000-01-01T00:00:00Z",
	} {
		got, err := timerange.ParseDateTime(text)
		require.NoError(t, err, "%q", text)
		assert.Equal(t, text, got.Format(time.RFC3339Nano))
	}
	for name, text := range map[string]string{
		"a date":                    "2026-11-22",
		"an hour of one digit":      "2026-11-22T8:30:00Z",
		"a comma":                   "2026-11-22T08:30:00,5Z",
		"an offset of a day":        "2026-11-22T08:30:00+24:00",
		"an offset of 60 minutes":   "2026-11-22T08:30:00+05:60",
		"an offset without a colon": "2026-11-22T08:30:00+0100",
		"no offset":                 "2026-11-22T08:30:00",
		"a small t without Z":       "2026-11-22t08:30:00",
		"a second 61":               "2016-12-31T23:59:61Z",
		"nothing":                   "",
	} {
		_, err := timerange.ParseDateTime(text)
		assert.EqualError(t, err, "not an RFC 3339 date-time", "%s: %q", name, text)
	}
}

func TestLettersMayBeSmall(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"2026-11-22t08:30:00.5Z", "2026-11-22T08:30:00.5z", "2026-11-22t08:30:00.5z"} {
		got, err := timerange.ParseDateTime(text)
		require.NoError(t, err, text)
		assert.Equal(t, "2026-11-22T08:30:00.5Z", got.Format(time.RFC3339Nano))
		date, err := timerange.ParseDate(text)
		require.NoError(t, err, text)
		assert.Equal(t, "2026-11-22", date.String())
	}
	got, err := timerange.ParseDateTime("2026-11-22t08:30:00-01:00")
	require.NoError(t, err)
	assert.Equal(t, "2026-11-22T08:30:00-01:00", got.Format(time.RFC3339Nano))
}

func TestALeapSecondIsTheSecondThatFollows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2016-12-31T23:59:60Z":      "2017-01-01T00:00:00Z",
		"2015-06-30t23:59:60.25z":   "2015-07-01T00:00:00.25Z",
		"2016-12-31T15:59:60-08:00": "2016-12-31T16:00:00-08:00",
		"2017-01-01T05:29:60+05:30": "2017-01-01T05:30:00+05:30",
	} {
		got, err := timerange.ParseDateTime(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.Format(time.RFC3339Nano), text)
		since, err := timerange.ParseSince(text)
		require.NoError(t, err, text)
		assert.True(t, since.Equal(got), text)
		date, err := timerange.ParseDate(text)
		require.NoError(t, err, text)
		assert.Equal(t, text[:len(time.DateOnly)], date.String(), "it is the date that the text shows")
	}
	for name, text := range map[string]string{
		"not the end of an hour":  "2016-12-31T23:58:60Z",
		"not the end of a day":    "2016-12-31T22:59:60Z",
		"not the end of a month":  "2016-12-30T23:59:60Z",
		"not the end of it there": "2016-12-31T23:59:60+05:30",
		"no such minute":          "2016-12-31T23:60:60Z",
		"no such date":            "2016-06-31T23:59:60Z",
		"an hour of one digit":    "2016-12-31T3:59:60Z",
	} {
		_, err := timerange.ParseDateTime(text)
		assert.EqualError(t, err, "not an RFC 3339 date-time", "%s: %q", name, text)
	}
	for _, text := range []string{"0000-12-31T23:59:60Z", "9999-12-31T23:59:60Z"} {
		_, err := timerange.ParseSince(text)
		assert.EqualError(t, err, "must be in the years 1 to 9998", text)
	}
}

func FuzzParseDate(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		date, err := timerange.ParseDate(text)
		if err != nil {
			require.ErrorContains(t, err, "must be")
			return
		}
		year := date.Time().Year()
		require.True(t, year >= 1 && year <= 9998, "%s", date)
		require.Equal(t, text[:len(time.DateOnly)], date.String(), "it is the date that the text shows")
		again, err := timerange.ParseDate(date.String())
		require.NoError(t, err)
		require.Equal(t, date, again)
	})
}

func FuzzParseSince(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		date, wrong := timerange.ParseDate(text)
		at, err := timerange.ParseSince(text)
		require.Equal(t, wrong, err, "it accepts the same texts as ParseDate")
		if err != nil {
			return
		}
		require.Equal(t, time.UTC, at.Location())
		if shown, err := timerange.ParseDateTime(text); err == nil {
			require.True(t, at.Equal(shown))
			return
		}
		require.Equal(t, date.Time(), at)
	})
}

func seeds() []string {
	return []string{
		"2026-11-22", "2026-11-22T08:30:00Z", "2026-11-22T08:30:00.123456789+05:45", "9998-12-31", "0001-01-01T00:00:00+23:59",
		"2026-11-01", "2018-11-04", "2022-03-27", "9998-12-31T23:59:59-12:00", "2026-11-22T08:30:00 01:00", " ", "+",
	}
}

// ParseDateTime accepts what RFC 3339 allows, not what the time package does.
func FuzzParseDateTime(f *testing.F) {
	for _, seed := range []string{
		"2026-11-22T08:30:00Z", "2026-11-22T08:30:00.123456789+05:45", "2026-11-22T08:30:00-23:59",
		"2026-11-22T8:30:00Z", "2026-11-22T08:30:00,5Z", "2026-11-22T08:30:00+24:00", "2026-11-22T08:30:00+23:60",
		"2026-11-22t08:30:00z", "2026-11-22T08:30:00", "2026-11-22T08:30:60Z", "2026-02-29T08:30:00Z", "", "2026",
		"2016-12-31T23:59:60Z", "2017-01-01T08:59:60.999999999+09:00", "2016-12-31t23:59:60z", "2026-11-22T8:30:60Z",
	} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)
	leapSecond := regexp.MustCompile(`^(.{17})60`)
	f.Fuzz(func(t *testing.T, text string) {
		at, err := timerange.ParseDateTime(text)
		usual, leap := strings.ToUpper(text), time.Duration(0)
		if leapSecond.MatchString(usual) {
			usual, leap = leapSecond.ReplaceAllString(usual, "${1}59"), time.Second
		}
		want, wrong := time.Parse(time.RFC3339Nano, usual)
		want = want.Add(leap)
		valid := form.MatchString(text) && wrong == nil &&
			(leap == 0 || want.UTC().Truncate(time.Second).Format("02 15:04:05") == "01 00:00:00")
		require.Equal(t, valid, err == nil, "%q", text)
		if err == nil {
			require.True(t, at.Equal(want))
			require.Equal(t, text[:len(time.DateOnly)], at.Add(-leap).Format(time.DateOnly), "the offset is kept")
		}
	})
}

func BenchmarkParseDateTime(b *testing.B) {
	for b.Loop() {
		if _, err := timerange.ParseDateTime("2026-11-22T08:30:00.123456Z"); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleParseDate() {
	date, err := timerange.ParseDate("2026-11-22T23:30:00-12:00")
	fmt.Println(date, err)
	_, err = timerange.ParseDate("2026-02-29")
	fmt.Println("from", err)
	// Output:
	// 2026-11-22 <nil>
	// from must be a date such as 2026-11-22, or an RFC 3339 date-time such as 2026-11-22T08:30:00Z
}
