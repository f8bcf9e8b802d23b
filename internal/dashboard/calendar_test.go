package dashboard //nolint:testpackage // the calendar is nobody else's

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

type table struct {
	Head struct {
		Months []struct {
			Weeks int `xml:"colspan,attr"`
		} `xml:"tr>th"`
	} `xml:"thead"`
	Rows []struct {
		Weekday struct {
			Name string `xml:"title,attr"`
		} `xml:"th>abbr"`
		Days []cell `xml:"td"`
	} `xml:"tbody>tr"`
}

type cell struct {
	Class string `xml:"class,attr"`
	Title string `xml:"title,attr"`
	Link  struct {
		Address string `xml:"href,attr"`
		Title   string `xml:"title,attr"`
	} `xml:"a"`
}

// drawCalendar returns the calendar of a year of whoever learned some words on some days of it.
func drawCalendar(t *testing.T, l *language.Locale, year int, words map[int]int64, today rollup.Date) (drawn table) {
	t.Helper()
	var days query.Days
	for _, yearDay := range slices.Sorted(maps.Keys(words)) {
		days = append(days, query.PeriodSummary{
			Period: rollup.NewDate(year, time.January, yearDay),
			Sums:   rollup.Sums{TotalWordCount: words[yearDay], EntryCount: 1},
		})
	}
	require.NoError(t, xml.Unmarshal(newCalendar(l, year, days, view{By: rollup.Day, today: today}).table(), &drawn))
	return drawn
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	for tag, firstWeekday := range map[string]time.Weekday{"en": time.Monday, "en-US": time.Sunday, "ja": time.Sunday} {
		for year := 1999; year < 2032; year++ {
			drawn := drawCalendar(t, language.Of(tag), year, map[int]int64{1: 100, 32: 1, 60: 51, 365: 25}, rollup.NewDate(2040, time.January, 1))

			require.Len(t, drawn.Rows, 7)
			weeks := 0
			for _, month := range drawn.Head.Months {
				assert.Positive(t, month.Weeks)
				weeks += month.Weeks
			}
			assert.Len(t, drawn.Head.Months, 12)
			date := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
			for date.Weekday() != firstWeekday {
				date = date.AddDate(0, 0, -1)
			}
			for week := range weeks {
				for weekday, row := range drawn.Rows {
					require.Len(t, row.Days, weeks, "%d", year)
					assert.Equal(t, language.Of(tag).Weekday(date.Weekday()), row.Weekday.Name)
					cell, class := row.Days[week], ""
					if date.Year() == year {
						class = fmt.Sprintf("level%d", map[int]int{1: 4, 32: 1, 60: 3, 365: 2}[date.YearDay()])
						title := cell.Title + cell.Link.Title // one of which is empty
						assert.True(t, strings.HasPrefix(title, language.Of(tag).FullDate(rollup.DateOf(date))), title)
					}
					assert.Equal(t, class, cell.Class, "%s, in row %d", date, weekday)
					date = date.AddDate(0, 0, 1)
				}
			}
			assert.Greater(t, date.Year(), year, "the year is whole")
		}
	}
}

func TestTheCalendarKnowsTodayAndLeadsToDays(t *testing.T) {
	t.Parallel()
	drawn := drawCalendar(t, language.English(), 2026, map[int]int64{5: 12}, rollup.NewDate(2026, time.January, 6)) // a Tuesday

	monday, tuesday, wednesday := drawn.Rows[0].Days[1], drawn.Rows[1].Days[1], drawn.Rows[2].Days[1]
	assert.Equal(t, "level2", monday.Class)
	assert.Equal(t, "?by=day&from=2026-01-05&to=2026-01-05#words", monday.Link.Address)
	assert.Equal(t, "Monday, 5 January 2026: 12 words in 1 log", monday.Link.Title)
	assert.Equal(t, "level0 now", tuesday.Class)
	assert.Empty(t, tuesday.Link.Address, "there is nothing to see")
	assert.Equal(t, "to-come", wednesday.Class, "nobody has missed it yet")
	assert.Equal(t, "level0", drawn.Rows[6].Days[0].Class, "Sunday, 4 January")
}
