package chart_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

type drawnBadge struct {
	Lang  string `xml:"lang,attr"`
	Width int    `xml:"width,attr"`
	Label string `xml:"aria-label,attr"`
	Title string `xml:"title"`
	Style string `xml:"style"`
	Texts []struct {
		Text  string `xml:",chardata"`
		X     int    `xml:"x,attr"`
		Width int    `xml:"textLength,attr"`
	} `xml:"text"`
	Paths []struct {
		Class string `xml:"class,attr"`
		D     string `xml:"d,attr"`
	} `xml:"path"`
}

func (b drawnBadge) texts() (texts []string) {
	for _, text := range b.Texts {
		texts = append(texts, text.Text)
	}
	return texts
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
		assert.Equal(t, []string{"streak", value}, badge.texts())
		assert.Equal(t, "en", badge.Lang)
	}
}

func TestABadgeOfAStreakIsInALanguageAndHasRoomForIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		language, label, value string
		streaks                query.Streaks
	}{
		{"de", "Serie", "35 Tage", query.Streaks{Current: query.Streak{Days: 35}}},
		{"de", "Serie", "1 Tag", query.Streaks{Current: query.Streak{Days: 1}}},
		{"de", "Serie", "Rekord 1.200 Tage", query.Streaks{Longest: query.Streak{Days: 1200}}},
		{"de", "Serie", "noch keine", query.Streaks{}},
		{"ja", "連続記録", "35日", query.Streaks{Current: query.Streak{Days: 35}}},
		{"ja", "連続記録", "最長1,200日", query.Streaks{Longest: query.Streak{Days: 1200}}},
		{"ja", "連続記録", "未開始", query.Streaks{}},
	} {
		badge := drawn(t, chart.StreakBadge(language.Of(test.language), test.streaks))
		assert.Equal(t, test.label+": "+test.value, badge.Title)
		assert.Equal(t, test.language, badge.Lang, "which decides how Chinese letters look")
		require.Equal(t, []string{test.label, test.value}, badge.texts())
		end := 0
		for _, text := range badge.Texts {
			wide, narrow := 0, 0
			for _, letter := range text.Text {
				if unicode.In(letter, unicode.Latin, unicode.Digit, unicode.Space, unicode.Punct) {
					narrow++
				} else {
					wide++
				}
			}
			assert.GreaterOrEqual(t, text.Width, 11*wide+4*narrow, "%s: a Japanese letter is as wide as the font is high", text.Text)
			assert.LessOrEqual(t, text.Width, 11*wide+7*narrow, "%s: and no wider", text.Text)
			assert.Greater(t, text.X, end, "%s: texts don't touch", text.Text)
			end = text.X + text.Width
		}
		assert.Less(t, end, badge.Width)
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
		for locale, title := range map[string]string{"de": "4.321 Wörter an 3 Tagen der letzten 52 Wochen", "ja": "過去52週間で3日、4,321語"} {
			badge := drawn(t, chart.CalendarBadge(language.Of(locale), days))
			assert.Equal(t, title, badge.Title)
			assert.Equal(t, []string{title}, badge.texts())
			assert.Equal(t, locale, badge.Lang)
		}
		assert.Equal(t, map[string]int{"level0": 51*7 + weekday + 1 - 3, "level1": 1, "level2": 1, "level4": 1}, squares)
	}
}
