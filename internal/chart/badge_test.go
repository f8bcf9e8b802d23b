package chart_test

import (
	"encoding/xml"
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

type drawnBadge struct {
	Label string   `xml:"aria-label,attr"`
	Title string   `xml:"title"`
	Style string   `xml:"style"`
	Texts []string `xml:"text"`
	Paths []struct {
		Class string `xml:"class,attr"`
		D     string `xml:"d,attr"`
	} `xml:"path"`
}

// drawn reads a badge, which must not load or run anything.
func drawn(t testing.TB, svg []byte) (badge drawnBadge) {
	t.Helper()
	require.NoError(t, xml.Unmarshal(svg, &badge), "%s", svg)
	for _, never := range []string{"<script", "href", "@import", "url(http", "<foreignObject", "<image"} {
		assert.NotContains(t, string(svg), never)
	}
	assert.Equal(t, badge.Title, badge.Label)
	assert.Contains(t, badge.Style, "prefers-color-scheme: dark")
	return badge
}

func TestTheBadgeOfAStreakNeverSaysZero(t *testing.T) {
	t.Parallel()
	for value, streaks := range map[string]query.Streaks{
		"35 days":           {Current: query.Streak{Days: 35}, Longest: query.Streak{Days: 1200}},
		"1 day":             {Current: query.Streak{Days: 1}, Longest: query.Streak{Days: 1}},
		"record 1,200 days": {Longest: query.Streak{Days: 1200}},
		"not begun":         {},
	} {
		badge := drawn(t, chart.StreakBadge(language.English(), streaks))
		assert.Equal(t, "streak: "+value, badge.Title)
		assert.Equal(t, []string{"streak", value}, badge.Texts)
	}
}

func TestTheBadgeOfACalendarHasASquareForEachDayUntilToday(t *testing.T) {
	t.Parallel()
	for weekday := range 7 {
		today := rollup.NewDate(2026, time.November, 23+weekday) // from a Monday
		from := chart.CalendarBadgeFrom(today)
		require.Equal(t, time.Monday, from.Time().Weekday())
		days := query.Summary{From: from, To: today, Totals: rollup.Sums{TotalWordCount: 4321, EntryCount: 3}, Periods: []query.PeriodSummary{
			{Period: from, Sums: rollup.Sums{TotalWordCount: 1, EntryCount: 1}},
			{Period: today - 8, Sums: rollup.Sums{TotalWordCount: 20, EntryCount: 1}},
			{Period: today, Sums: rollup.Sums{TotalWordCount: 4300, EntryCount: 1}},
		}}

		badge := drawn(t, chart.CalendarBadge(language.English(), days))

		assert.Equal(t, "4,321 words on 3 days in the last 52 weeks", badge.Title)
		squares := make(map[string]int)
		for _, path := range badge.Paths {
			squares[path.Class] = strings.Count(path.D, "z")
		}
		assert.Equal(t, map[string]int{"level0": 51*7 + weekday + 1 - 3, "level1": 1, "level2": 1, "level4": 1}, squares)
	}
}
