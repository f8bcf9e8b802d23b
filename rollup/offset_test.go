package rollup_test

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/internal/zones"
	"learninglog/rollup"
)

func TestParseOffset(t *testing.T) {
	t.Parallel()
	for text, minutes := range map[string]int{
		"Z": 0, "+00:00": 0, "-00:00": 0, "+09:00": 540, "-03:30": -210, "+05:45": 345, "-09:30": -570,
		"+00:01": 1, "-00:59": -59, "-12:00": -720, "+14:00": 840,
	} {
		got, err := rollup.ParseOffset(text)
		require.NoError(t, err, "%q", text)
		assert.Equal(t, rollup.Offset(minutes), got, "%q", text)
	}
	for name, text := range map[string]string{
		"more than anybody's":          "+14:01",
		"less than anybody's":          "-12:01",
		"a whole day":                  "+24:00",
		"an hour of 60 minutes":        "+05:60",
		"of which too many":            "+13:60",
		"no colon":                     "+0900",
		"no minutes":                   "+09",
		"one digit":                    "+9:00",
		"no sign":                      "09:00",
		"a minus that isn't ASCII":     "\u221209:00",
		"a plus that a URL made blank": " 09:00",
		"a blank after it":             "+09:00 ",
		"seconds":                      "+09:00:00",
		"a small letter":               "z",
		"a name":                       "UTC",
		"a zone":                       "Asia/Tokyo",
		"a number":                     "540",
		"a NUL byte":                   "+09:00\x00",
		"nothing":                      "",
	} {
		got, err := rollup.ParseOffset(text)
		require.EqualError(t, err, "must be an offset from -12:00 to +14:00, such as +05:30", "%s: %q", name, text)
		assert.Zero(t, got, "%s: %q", name, text)
	}
}

func TestOffsetsAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for offset := rollup.MinOffset; offset <= rollup.MaxOffset; offset++ {
		got, err := rollup.ParseOffset(offset.String())
		require.NoError(t, err, "%s", offset)
		require.Equal(t, offset, got)
		require.Equal(t, offset, rollup.OffsetAt(time.Unix(0, 0), offset.Location()), "%s", offset)
	}
	for offset, want := range map[rollup.Offset]string{0: "+00:00", 345: "+05:45", -570: "-09:30", -1: "-00:01", 840: "+14:00"} {
		assert.Equal(t, "at "+want, string(offset.AppendTo([]byte("at "))))
	}
}

func TestOffsetAt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, zone string
		at, want   string
	}{
		{"UTC", "UTC", "2026-01-01T00:00:00Z", "+00:00"},
		{"45 minutes", "Asia/Kathmandu", "2026-01-01T00:00:00Z", "+05:45"},
		{"half an hour, behind UTC", "Pacific/Marquesas", "2026-01-01T00:00:00Z", "-09:30"},
		{"the first clocks", "Pacific/Kiritimati", "2026-01-01T00:00:00Z", "+14:00"},
		{"the last clocks", "Etc/GMT+12", "2026-01-01T00:00:00Z", "-12:00"},
		{"the last instant of winter time", "Europe/Berlin", "2026-03-29T00:59:59.999999Z", "+01:00"},
		{"the first instant of summer time", "Europe/Berlin", "2026-03-29T01:00:00Z", "+02:00"},
		{"the last instant of summer time", "Europe/Berlin", "2026-10-25T00:59:59.999999Z", "+02:00"},
		{"the first instant of winter time", "Europe/Berlin", "2026-10-25T01:00:00Z", "+01:00"},
		{"a change of half an hour", "Australia/Lord_Howe", "2026-04-04T15:00:00Z", "+10:30"},
		{"before a country crossed the date line", "Pacific/Apia", "2011-12-30T09:59:59.999999Z", "-10:00"},
		{"after it crossed the date line", "Pacific/Apia", "2011-12-30T10:00:00Z", "+14:00"},
		{"a part of a minute, ahead of UTC", "Europe/Paris", "1900-01-01T00:00:00Z", "+00:09"},
		{"a part of a minute, behind UTC", "Africa/Monrovia", "1971-01-01T00:00:00Z", "-00:45"},
		{"before Alaska crossed the date line", "America/Juneau", "1867-01-01T00:00:00Z", "+14:00"}, // it had +15:02:19
		{"before the Philippines did", "Asia/Manila", "1844-01-01T00:00:00Z", "-12:00"},             // they had -15:56:08
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, test.want, rollup.OffsetAt(instant(t, test.at), zone(t, test.zone)).String())
		})
	}
}

// The date of a log is the one that the learner's clock showed.
func TestDateAt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, zone string
		at, want   string // at has the offset of the zone's clocks
	}{
		{"45 minutes ahead, before midnight", "Asia/Kathmandu", "2025-12-31T23:59:59.999999+05:45", "2025-12-31"},
		{"45 minutes ahead, midnight", "Asia/Kathmandu", "2026-01-01T00:00:00+05:45", "2026-01-01"},
		{"half an hour behind, before midnight", "Pacific/Marquesas", "2025-12-31T23:59:59.999999-09:30", "2025-12-31"},
		{"half an hour behind, midnight", "Pacific/Marquesas", "2026-01-01T00:00:00-09:30", "2026-01-01"},
		{"the first to begin a year", "Pacific/Kiritimati", "2026-01-01T00:00:00+14:00", "2026-01-01"},
		{"the first, just before", "Pacific/Kiritimati", "2025-12-31T23:59:59.999999+14:00", "2025-12-31"},
		{"the last to begin a year", "Etc/GMT+12", "2026-01-01T00:00:00-12:00", "2026-01-01"},
		{"the last, just before", "Etc/GMT+12", "2025-12-31T23:59:59.999999-12:00", "2025-12-31"},
		{"before 1970", "Pacific/Marquesas", "1969-12-31T23:59:59.999999-09:30", "1969-12-31"},

		{"before a midnight that is skipped", "America/Sao_Paulo", "2018-11-03T23:59:59.999999-03:00", "2018-11-03"},
		{"the first instant after it", "America/Sao_Paulo", "2018-11-04T01:00:00-02:00", "2018-11-04"},
		{"the hour before midnight, first", "America/Sao_Paulo", "2018-02-17T23:30:00-02:00", "2018-02-17"},
		{"the hour before midnight, second", "America/Sao_Paulo", "2018-02-17T23:30:00-03:00", "2018-02-17"},
		{"after the midnight that comes once", "America/Sao_Paulo", "2018-02-18T00:00:00-03:00", "2018-02-18"},
		{"a midnight that comes twice, first", "America/Havana", "2026-11-01T00:00:00-04:00", "2026-11-01"},
		{"a midnight that comes twice, second", "America/Havana", "2026-11-01T00:00:00-05:00", "2026-11-01"},
		{"before both", "America/Havana", "2026-10-31T23:59:59.999999-04:00", "2026-10-31"},
		{"a minute of the next date", "America/St_Johns", "2010-11-07T00:00:59.999999-02:30", "2010-11-07"},
		{"then the date before once more", "America/St_Johns", "2010-11-06T23:01:00-03:30", "2010-11-06"},

		{"the last instant before a date that is skipped", "Pacific/Apia", "2011-12-29T23:59:59.999999-10:00", "2011-12-29"},
		{"the first instant after it", "Pacific/Apia", "2011-12-31T00:00:00+14:00", "2011-12-31"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at, location := instant(t, test.at), zone(t, test.zone)
			require.Equal(t, test.at, at.In(location).Format("2006-01-02T15:04:05.999999-07:00"), "the zone has this offset then")
			assert.Equal(t, test.want, rollup.OffsetAt(at, location).DateAt(at).String())
		})
	}
}

func TestNoInstantHasADateThatAZoneSkipped(t *testing.T) {
	t.Parallel()
	samoa, skipped := zone(t, "Pacific/Apia"), date(t, "2011-12-30")
	var dates []string
	for at := skipped.FirstInstant(); at.Before(skipped.EndInstant()); at = at.Add(time.Minute) {
		shown := rollup.OffsetAt(at, samoa).DateAt(at).String()
		if len(dates) == 0 || dates[len(dates)-1] != shown {
			dates = append(dates, shown)
		}
	}
	assert.Equal(t, []string{"2011-12-29", "2011-12-31", "2012-01-01"}, dates)
}

func TestDateAtIsTheDateThatAClockWithTheOffsetShows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at, offset := anyInstant().Draw(t, "instant"), anyOffset().Draw(t, "offset")
		elsewhere := at.In(anyOffset().Draw(t, "the offset in which the instant is given").Location())
		require.Equal(t, at.In(offset.Location()).Format(time.DateOnly), offset.DateAt(elsewhere).String())
	})
}

func FuzzParseOffset(f *testing.F) {
	for _, seed := range []string{
		"+09:00", "-03:30", "Z", "+14:00", "-12:00", "+14:01", "+05:60", "+24:00", "+0900", "+9:00", "z", "", "+",
	} {
		f.Add(seed)
	}
	form := regexp.MustCompile(`^(Z|[+-]\d\d:[0-5]\d)$`)
	f.Fuzz(func(t *testing.T, text string) {
		offset, err := rollup.ParseOffset(text)
		if err != nil {
			require.Zero(t, offset)
			return
		}
		require.Regexp(t, form, text)
		require.GreaterOrEqual(t, offset, rollup.MinOffset)
		require.LessOrEqual(t, offset, rollup.MaxOffset)
		again, err := rollup.ParseOffset(offset.String())
		require.NoError(t, err)
		require.Equal(t, offset, again)
	})
}

func zone(t require.TestingT, name string) *time.Location {
	database, err := zones.Open()
	require.NoError(t, err)
	location, err := database.Load(name)
	require.NoError(t, err)
	return location
}

func anyOffset() *rapid.Generator[rollup.Offset] {
	return rapid.Map(rapid.Int16Range(int16(rollup.MinOffset), int16(rollup.MaxOffset)),
		func(minutes int16) rollup.Offset { return rollup.Offset(minutes) })
}

// anyInstant generates instants of the years 1 to 9998, many of them about the midnight
// of some clock.
func anyInstant() *rapid.Generator[time.Time] {
	first := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	last := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := rapid.Int64Range(first, last).Draw(t, "microseconds")
		if rapid.Bool().Draw(t, "about midnight") {
			const minute = int64(time.Minute / time.Microsecond)
			at -= at%minute + rapid.Int64Range(0, 1).Draw(t, "before")
		}
		return time.UnixMicro(max(first, at)).UTC()
	})
}

func ExampleOffset_DateAt() {
	at := time.Date(2026, time.January, 1, 3, 0, 0, 0, time.UTC)
	newYork, _ := rollup.ParseOffset("-05:00")
	tokyo, _ := rollup.ParseOffset("+09:00")
	fmt.Println(newYork.DateAt(at), tokyo.DateAt(at))
	// Output: 2025-12-31 2026-01-01
}
