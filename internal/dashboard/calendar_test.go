package dashboard //nolint:testpackage // the calendar is nobody else's

import (
	"encoding/xml"
	"fmt"
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
		Days []struct {
			Class string `xml:"class,attr"`
			Title string `xml:"title,attr"`
		} `xml:"td"`
	} `xml:"tbody>tr"`
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	for year := 1999; year < 2032; year++ {
		sums := map[int]int64{1: 100, 32: 1, 60: 51, 365: 25}
		var days query.Summary
		for _, yearDay := range []int{1, 32, 60, 365} {
			days.Periods = append(days.Periods, query.PeriodSummary{
				Period: rollup.NewDate(year, time.January, yearDay),
				Sums:   rollup.Sums{TotalWordCount: sums[yearDay], EntryCount: 1},
			})
		}
		var drawn table
		require.NoError(t, xml.Unmarshal(calendar(language.English(), year, days), &drawn))

		require.Len(t, drawn.Rows, 7)
		weeks := 0
		for _, month := range drawn.Head.Months {
			assert.Positive(t, month.Weeks)
			weeks += month.Weeks
		}
		assert.Len(t, drawn.Head.Months, 12)
		date := time.Date(year, time.January, 1, 0, 0, 0, 0, time.UTC)
		for date.Weekday() != time.Monday {
			date = date.AddDate(0, 0, -1)
		}
		for week := range weeks {
			for weekday, row := range drawn.Rows {
				require.Len(t, row.Days, weeks, "%d", year)
				cell, class := row.Days[week], ""
				if date.Year() == year {
					class = fmt.Sprintf("level%d", map[int]int{1: 4, 32: 1, 60: 3, 365: 2}[date.YearDay()])
					assert.True(t, strings.HasPrefix(cell.Title, date.Format("Monday, 2 January 2006: ")), cell.Title)
				}
				assert.Equal(t, class, cell.Class, "%s, in row %d", date, weekday)
				date = date.AddDate(0, 0, 1)
			}
		}
		assert.Greater(t, date.Year(), year, "the year is whole")
	}
}
