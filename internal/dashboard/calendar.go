package dashboard

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"strconv"
	"time"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// year is the calendar of a year: how much was learned on each day.
type year struct {
	Number int
	// Previous and Next are links to other years, or empty.
	Previous, Next string
	ActiveDays     int
	Words          int64
	// Table has a row for each weekday, and a column for each week.
	Table template.HTML
}

const weekdays = 7

func newYear(locale *language.Locale, number, thisYear int, days query.Summary, v view) year {
	y := year{
		Number:     number,
		ActiveDays: days.Active(),
		Words:      days.Totals.TotalWordCount,
		Table:      template.HTML(calendar(locale, number, days)), //nolint:gosec // it escapes what it writes
	}
	if number > 1 {
		y.Previous = v.linkWith("year", strconv.Itoa(number-1))
	}
	if number < thisYear {
		y.Next = v.linkWith("year", strconv.Itoa(number+1))
	}
	return y
}

// Before is the year before.
func (y year) Before() int { return y.Number - 1 }

// After is the year after.
func (y year) After() int { return y.Number + 1 }

// calendar writes the table. It is the largest part of a page: a template would take
// longer for it than for all the rest.
func calendar(locale *language.Locale, number int, days query.Summary) []byte {
	sums := make(map[rollup.Date]rollup.Sums, len(days.Periods))
	most := int64(0)
	for _, day := range days.Periods {
		sums[day.Period] = day.Sums
		most = max(most, day.TotalWordCount)
	}
	first := time.Date(number, time.January, 1, 0, 0, 0, 0, time.UTC)
	offset := (int(first.Weekday()) + weekdays - 1) % weekdays // days since Monday
	length := first.AddDate(1, 0, -1).YearDay()
	weeks := (offset + length + weekdays - 1) / weekdays

	var table bytes.Buffer
	const bytesPerDay = 128 // about
	table.Grow(bytesPerDay * length)
	fmt.Fprintf(&table, `<table class="year"><caption class="unseen">Words on each day of %d</caption><thead><tr><td></td>`, number)
	writeMonths(&table, first, offset, weeks)
	table.WriteString("</tr></thead><tbody>")
	for weekday := range weekdays {
		name := time.Weekday((weekday + 1) % weekdays).String()
		fmt.Fprintf(&table, `<tr><th scope="row"><abbr title="%s">%s</abbr></th>`, name, name[:2])
		for week := range weeks {
			yearDay := week*weekdays + weekday - offset + 1
			if yearDay < 1 || yearDay > length {
				table.WriteString("<td></td>")
				continue
			}
			date := rollup.NewDate(number, time.January, yearDay)
			sum := sums[date]
			title := chart.DescribePeriod(locale, rollup.Day, query.PeriodSummary{Period: date, Sums: sum})
			fmt.Fprintf(&table, `<td class="level%d" title="%s"><span class="unseen">%d</span></td>`,
				level(sum, most), html.EscapeString(title), sum.TotalWordCount)
		}
		table.WriteString("</tr>")
	}
	table.WriteString("</tbody></table>")
	return table.Bytes()
}

// writeMonths writes the names of the months. Each is above the weeks from the one in
// which the month begins until the one in which the next does.
func writeMonths(table *bytes.Buffer, first time.Time, offset, weeks int) {
	week := 0
	for month := range 12 {
		next := weeks
		if month < 11 {
			next = (offset + first.AddDate(0, month+1, 0).YearDay() - 1) / weekdays
		}
		name := time.Month(month + 1).String()
		fmt.Fprintf(table, `<th scope="colgroup" colspan="%d"><abbr title="%s">%s</abbr></th>`, next-week, name, name[:3])
		week = next
	}
}

// level is how dark a day is: from 0, without a log, to 4, about as much as on the best
// day.
func level(sum rollup.Sums, most int64) int {
	if sum.EntryCount == 0 {
		return 0
	}
	const levels = 4
	return 1 + int(min(levels-1, float64(levels)*float64(sum.TotalWordCount)/float64(max(1, most))))
}
