package dashboard //nolint:testpackage // what a page's address means is seen by its links alone

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// viewOf returns what an address means on 22 November 2026, a Sunday.
func viewOf(t *testing.T, query string) (view, error) {
	t.Helper()
	parameters, err := url.ParseQuery(query)
	require.NoError(t, err)
	return parseView(parameters, rollup.NewDate(2026, time.November, 22))
}

func TestWhatAnAddressMeans(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		by       rollup.Granularity
		name     string
		periods  int
		previous string
		next     string
	}{
		"": {
			rollup.Day, "24 October 2026 to 22 November 2026", 30, "by=day&from=2026-09-24&to=2026-10-23", "",
		},
		"by=week": {
			rollup.Week, "31 August 2026 to 22 November 2026", 12, "by=week&from=2026-06-08&to=2026-08-30", "",
		},
		"by=month": {
			rollup.Month, "1 December 2025 to 30 November 2026", 12, "by=month&from=2024-12-01&to=2025-11-30", "",
		},
		"by=day&from=2026-02-01&to=2026-02-07": {
			rollup.Day, "1 February 2026 to 7 February 2026", 7, "by=day&from=2026-01-25&to=2026-01-31", "by=day&from=2026-02-08&to=2026-02-14",
		},
		"by=week&from=2026-02-04&to=2026-02-04": { // a Wednesday
			rollup.Week, "2 February 2026 to 8 February 2026", 1, "by=week&from=2026-01-26&to=2026-02-01", "by=week&from=2026-02-09&to=2026-02-15",
		},
		"by=month&from=2026-01-31&to=2026-02-01": {
			rollup.Month, "1 January 2026 to 28 February 2026", 2, "by=month&from=2025-11-01&to=2025-12-31", "by=month&from=2026-03-01&to=2026-04-30",
		},
		"from=2026-11-20": {rollup.Day, "20 November 2026 to 22 November 2026", 3, "by=day&from=2026-11-17&to=2026-11-19", ""},
		"from=2026-11-20T23:30:00-08:00&to=2026-11-21T00:30:00%2B14:00": { // a date-time means the date that it shows
			rollup.Day, "20 November 2026 to 21 November 2026", 2, "by=day&from=2026-11-18&to=2026-11-19", "by=day&from=2026-11-22&to=2026-11-23",
		},
		"to=2026-01-30":                        {rollup.Day, "1 January 2026 to 30 January 2026", 30, "by=day&from=2025-12-02&to=2025-12-31", "by=day&from=2026-01-31&to=2026-03-01"},
		"by=day&from=2024-11-22&to=2026-11-22": {rollup.Week, "18 November 2024 to 22 November 2026", 105, "by=week&from=2022-11-14&to=2024-11-17", ""},
		"by=day&from=2001-01-01&to=2026-11-22": {rollup.Month, "1 January 2001 to 30 November 2026", 311, "by=month&from=1975-02-01&to=2000-12-31", ""},
	} {
		v, err := viewOf(t, query)
		require.NoError(t, err, query)
		assert.Equal(t, want.by, v.By, query)
		assert.Equal(t, want.name, v.name(language.English()), query)
		assert.Equal(t, want.periods, v.periods(), query)
		assert.Equal(t, "?"+want.previous, v.Previous(), query)
		assert.Equal(t, want.next, strings.TrimPrefix(v.Next(), "?"), query)
	}
}

func TestAnAddressThatIsWrong(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"by=year":                       "day, week or month",
		"from=yesterday":                "must be a date",
		"from=2026-11-02&to=2026-11-01": "must not be after to",
		"from=2027-01-01":               "must not be in the future",
		"from=2026-11-23":               "must not be in the future", // on the learner's clock
		"from=1900-01-01":               "At most 27 years",
		"voided=yes":                    "voided must be include",
		"ids=1":                         "ids must be include",
		"averages=on":                   "averages must be include",
		"to=0001-01-01":                 "",
	} {
		v, err := viewOf(t, query)
		if want == "" {
			require.NoError(t, err, query)
			assert.Empty(t, v.Previous(), query)
			continue
		}
		require.ErrorContains(t, err, want, query)
	}
}

// Going back and forth leads to where one was.
func TestThereAndBackAgain(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"by=day&from=2026-03-20&to=2026-04-02", "by=week&from=2026-03-02&to=2026-04-05", "by=month&from=2026-01-01&to=2026-03-31",
		"by=day&from=2026-10-20&to=2026-10-25",
	} {
		v, err := viewOf(t, query)
		require.NoError(t, err)
		back, err := viewOf(t, strings.TrimPrefix(v.Previous(), "?"))
		require.NoError(t, err)
		assert.Equal(t, "?"+query, back.Next())
		assert.Equal(t, v.periods(), back.periods())
	}
}

func TestDownloadsHaveTheWholePeriods(t *testing.T) {
	t.Parallel()
	v, err := viewOf(t, "by=month&from=2026-01-31&to=2026-02-01")
	require.NoError(t, err)
	assert.Equal(t, "?format=csv&from=2026-01-01&granularity=month&to=2026-02-28", v.Download("csv"))
}

func TestOnlyDaysThatHaveBegunAreCounted(t *testing.T) {
	t.Parallel()
	const today = 22
	for name, test := range map[string]struct {
		query  string
		active int // a day of November that has a log
		want   int
	}{
		"in the past":                         {"from=2026-11-01&to=2026-11-07", 1, 7},
		"a month that isn't over":             {"by=month&from=2026-11-01&to=2026-11-22", 1, today},
		"a log of today":                      {"by=month&from=2026-11-01&to=2026-11-22", today, today},
		"a log of tomorrow, of another clock": {"by=month&from=2026-11-01&to=2026-11-22", today + 1, today + 1},
		"in the future":                       {"from=2026-11-23&to=2026-11-30", 1, 0},
	} {
		v, err := viewOf(t, test.query)
		require.NoError(t, err, name)
		active := query.PeriodSummary{
			Period: rollup.NewDate(2026, time.November, test.active), Sums: rollup.Sums{TotalWordCount: 1, EntryCount: 1},
		}
		assert.Equal(t, test.want, v.length(query.Days{active}), name)
	}
}

func TestTheRestOfTheAddressIsKept(t *testing.T) {
	t.Parallel()
	v, err := viewOf(t, "averages=include&by=week&ids=include&year=2024&voided=include")
	require.NoError(t, err)
	assert.Equal(t, "?averages=include&by=week&ids=include&voided=include&year=2024", v.Link())
	assert.Contains(t, v.Previous(), "voided=include&year=2024")
	assert.Equal(t, "?averages=include&by=week&ids=include&voided=include&year=2023", v.linkWith("year", "2023"))
	l := language.English()
	for _, choice := range append(v.ranges(l), v.switches(l)...) {
		assert.Contains(t, choice.Link, "voided=include&year=2024")
	}
	assert.Equal(t, map[string]string{"by": "week", "year": "2024", "averages": "include", "ids": "include", "voided": "include"}, v.Hidden())
}

func TestOptionsAreTurnedOnAndOff(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"averages", "ids", "voided"} {
		v, err := viewOf(t, "by=week")
		require.NoError(t, err)
		on, err := v.Toggle(name)
		require.NoError(t, err)
		assert.Equal(t, "by=week&"+name+"=include", sorted(t, on))
		with, err := viewOf(t, strings.TrimPrefix(on, "?"))
		require.NoError(t, err)
		off, err := with.Toggle(name)
		require.NoError(t, err)
		assert.Equal(t, "?by=week", off)
	}
	_, err := view{}.Toggle("colour")
	assert.Error(t, err, "a template that is wrong fails")
}

// sorted returns the parameters of a link with by before the others.
func sorted(t *testing.T, link string) string {
	t.Helper()
	parameters, err := url.ParseQuery(strings.TrimPrefix(link, "?"))
	require.NoError(t, err)
	by := parameters.Get("by")
	parameters.Del("by")
	return "by=" + by + "&" + parameters.Encode()
}

func TestOnlyPeriodsThatFitAreOffered(t *testing.T) {
	t.Parallel()
	v, err := viewOf(t, "by=week&from=2024-11-22&to=2026-11-22")
	require.NoError(t, err)
	var names []string
	for _, choice := range v.switches(language.English()) {
		names = append(names, choice.Name)
	}
	assert.Equal(t, []string{"week", "month"}, names, "more than %d days", chart.MaxPeriods)
}
