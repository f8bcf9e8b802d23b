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
	// Said is how many words on how many days.
	Said string
	// Table has a row for each weekday, and a column for each week.
	Table template.HTML
}

const weekdays = 7

// newYear returns the calendar of a year. all are all of the learner's days.
func newYear(l *language.Locale, number int, all query.Days, v view) (year, error) {
	days := all.Between(rollup.NewDate(number, time.January, 1), rollup.NewDate(number, time.December, 31))
	totals, err := days.Totals()
	if err != nil {
		return year{}, err
	}
	y := year{
		Number: number,
		Said:   l.Text("year.said", "words", l.Text("words", "count", totals.TotalWordCount), "days", len(days)),
		Table:  template.HTML(newCalendar(l, number, days, v).table()), //nolint:gosec // it escapes what it writes
	}
	if len(all) > 0 && all[0].Period < rollup.NewDate(number, time.January, 1) {
		y.Previous = v.linkWith("year", strconv.Itoa(number-1))
	}
	if number < v.today.Time().Year() {
		y.Next = v.linkWith("year", strconv.Itoa(number+1))
	}
	return y, nil
}

// Before is the year before.
func (y year) Before() int { return y.Number - 1 }

// After is the year after.
func (y year) After() int { return y.Number + 1 }

// calendar writes the table of a year. It is the largest part of a page: a template would
// take longer for it than for all the rest.
type calendar struct {
	bytes.Buffer

	locale *language.Locale
	year   int
	days   query.Days
	levels chart.Levels
	view   view
	// first is the first date of the first week, and weeks is how many there are.
	first rollup.Date
	weeks int
}

func newCalendar(l *language.Locale, year int, days query.Days, v view) *calendar {
	newYear := rollup.NewDate(year, time.January, 1)
	before := (int(newYear.Time().Weekday()-l.FirstWeekday()) + weekdays) % weekdays // days of the first week that are of last year
	first := newYear - rollup.Date(before)
	c := &calendar{
		locale: l, year: year, days: days, levels: chart.NewLevels(days), view: v,
		first: first, weeks: int(rollup.NewDate(year+1, time.January, 1)-first+weekdays-1) / weekdays,
	}
	const bytesPerYear = 64 << 10 // about
	c.Grow(bytesPerYear)
	return c
}

func (c *calendar) printf(format string, values ...any) { fmt.Fprintf(&c.Buffer, format, values...) }

func (c *calendar) table() []byte {
	caption := c.locale.Text("year.caption", "year", strconv.Itoa(c.year))
	c.printf(`<table class="year"><caption class="unseen">%s</caption><thead><tr><td></td>`, html.EscapeString(caption))
	c.months()
	c.printf("</tr></thead><tbody>")
	for row := range weekdays {
		weekday := (c.locale.FirstWeekday() + time.Weekday(row)) % weekdays
		c.printf(`<tr><th scope="row"><abbr title="%s">%s</abbr></th>`,
			html.EscapeString(c.locale.Weekday(weekday)), html.EscapeString(c.locale.ShortWeekday(weekday)))
		for week := range c.weeks {
			c.day(c.first + rollup.Date(week*weekdays+row))
		}
		c.printf("</tr>")
	}
	c.printf("</tbody></table>")
	return c.Bytes()
}

// months writes the names of the months. Each is above the weeks from the one in which the
// month begins until the one in which the next does.
func (c *calendar) months() {
	week := 0
	for month := time.January; month <= time.December; month++ {
		next := c.weeks
		if month < time.December {
			next = int(rollup.NewDate(c.year, month+1, 1)-c.first) / weekdays
		}
		c.printf(`<th scope="colgroup" colspan="%d"><abbr title="%s">%s</abbr></th>`, next-week,
			html.EscapeString(c.locale.MonthName(month)), html.EscapeString(c.locale.ShortMonthName(month)))
		week = next
	}
}

// day writes a day. One with logs leads to them.
func (c *calendar) day(date rollup.Date) {
	if date.Time().Year() != c.year {
		c.printf("<td></td>")
		return
	}
	class, day := "level0", query.PeriodSummary{Period: date}
	switch found := c.days.Between(date, date); {
	case len(found) > 0:
		day = found[0]
		class = "level" + strconv.Itoa(c.levels.Of(day.Sums))
	case date > c.view.today:
		class = "to-come"
	}
	if date == c.view.today {
		class += " now"
	}
	if c.view.ofDay(date) == c.view {
		class += " shown"
	}
	title := html.EscapeString(chart.DescribePeriod(c.locale, rollup.Day, day))
	if day.EntryCount == 0 {
		c.printf(`<td class="%s" title="%s"></td>`, class, title)
		return
	}
	c.printf(`<td class="%s"><a href="%s" title="%s"><span class="unseen">%s</span></a></td>`,
		class, html.EscapeString(c.view.ofDay(date).Link()+"#words"), title, c.locale.Number(day.TotalWordCount))
}
