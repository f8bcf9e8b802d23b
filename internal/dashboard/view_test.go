package dashboard //nolint:testpackage // what a page's address means is seen by its links alone

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
	"learninglog/rollup"
)

func viewOf(t *testing.T, query string, zone *time.Location) (view, error) {
	t.Helper()
	parameters, err := url.ParseQuery(query)
	require.NoError(t, err)
	pages := &Pages{Config: Config{Zone: zone}}
	return pages.parseView(parameters, time.Date(2026, time.November, 22, 9, 0, 0, 0, zone))
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
		"from=2026-11-20":                      {rollup.Day, "20 November 2026 to 22 November 2026", 3, "by=day&from=2026-11-17&to=2026-11-19", ""},
		"to=2026-01-30":                        {rollup.Day, "1 January 2026 to 30 January 2026", 30, "by=day&from=2025-12-02&to=2025-12-31", "by=day&from=2026-01-31&to=2026-03-01"},
		"by=day&from=2024-11-22&to=2026-11-22": {rollup.Week, "18 November 2024 to 22 November 2026", 105, "by=week&from=2022-11-14&to=2024-11-17", ""},
		"by=day&from=2001-01-01&to=2026-11-22": {rollup.Month, "1 January 2001 to 30 November 2026", 311, "by=month&from=1975-02-01&to=2000-12-31", ""},
	} {
		v, err := viewOf(t, query, time.UTC)
		require.NoError(t, err, query)
		assert.Equal(t, want.by, v.By, query)
		assert.Equal(t, want.name, v.Name(), query)
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
		"from=1900-01-01":               "At most 27 years",
		"to=0001-01-01":                 "",
	} {
		v, err := viewOf(t, query, time.UTC)
		if want == "" {
			require.NoError(t, err, query)
			assert.Empty(t, v.Previous(), query)
			continue
		}
		require.ErrorContains(t, err, want, query)
	}
}

// Going back and forth leads to where one was, also where the clocks change.
func TestThereAndBackAgain(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, query := range []string{
		"by=day&from=2026-03-20&to=2026-04-02", "by=week&from=2026-03-02&to=2026-04-05", "by=month&from=2026-01-01&to=2026-03-31",
		"by=day&from=2026-10-20&to=2026-10-25",
	} {
		v, err := viewOf(t, query, berlin)
		require.NoError(t, err)
		back, err := viewOf(t, strings.TrimPrefix(v.Previous(), "?"), berlin)
		require.NoError(t, err)
		assert.Equal(t, "?"+query, back.Next())
		assert.Equal(t, v.periods(), back.periods())
	}
}

func TestTheYearIsKept(t *testing.T) {
	t.Parallel()
	v, err := viewOf(t, "by=week&year=2024", time.UTC)
	require.NoError(t, err)
	assert.Equal(t, "?by=week&year=2024", v.link())
	assert.Contains(t, v.Previous(), "year=2024")
	assert.Equal(t, "?by=week&year=2023", v.linkWith("year", "2023"))
	for _, choice := range append(v.Ranges(), v.Switches()...) {
		assert.Contains(t, choice.Link, "year=2024")
	}
}

func TestOnlyPeriodsThatFitAreOffered(t *testing.T) {
	t.Parallel()
	v, err := viewOf(t, "by=week&from=2024-11-22&to=2026-11-22", time.UTC)
	require.NoError(t, err)
	var names []string
	for _, choice := range v.Switches() {
		names = append(names, choice.Name)
	}
	assert.Equal(t, []string{"week", "month"}, names, "more than %d days", chart.MaxPeriods)
}
