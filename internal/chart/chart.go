// Package chart draws as SVG what was learned: a bar for the words of each period or
// each hour of the day, and for periods a line for the words per log. For operators it
// draws sparklines.
package chart

import (
	_ "embed"

	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// MaxPeriods is the most periods that a chart can show.
const MaxPeriods = 400

// Style is the stylesheet of a chart. A [Picture] contains it; a page that contains the
// chart of [Draw] must link to it.
//
//go:embed chart.css
var Style []byte

// Draw returns the chart of a summary of at most [MaxPeriods], as an svg element
// without a style.
func Draw(locale *language.Locale, summary query.Summary) []byte { return draw(locale, summary, nil) }

// Picture returns the same chart as an SVG file with its style, which follows the colour
// scheme of its viewer.
func Picture(locale *language.Locale, summary query.Summary) []byte {
	return draw(locale, summary, Style)
}

func draw(locale *language.Locale, summary query.Summary, style []byte) []byte {
	const height, right = 300, width - 52
	c := newCanvas(locale, len(summary.Periods), height, right, func(i int) rollup.Sums { return summary.Periods[i].Sums })
	c.begin(Describe(locale, summary), style)
	c.legend(locale.Text("chart.words"), locale.Text("chart.words_per_log"))
	c.grid()
	c.scaleOfLine()
	c.periodNames(summary)
	c.bars(func(i int) string { return DescribePeriod(locale, summary.Granularity, summary.Periods[i]) })
	c.line()
	return c.end()
}

// periodNames writes the names of some periods below their bars.
func (c *canvas) periodNames(summary query.Summary) {
	// There is room for this many names, and for half as many where text is larger.
	const most = 10
	every := max(1, (c.count+most-1)/most)
	for i := every / 2; i < c.count; i += every {
		c.name(c.middle(i), shortName(c.locale, summary.Granularity, summary.Periods[i].Period), i/every%2 == 1)
	}
}

// Describe says in a sentence what a chart shows.
func Describe(locale *language.Locale, summary query.Summary) string {
	return locale.Text("chart.sums", "what", wordsPer(locale, summary), "sums", describeSums(locale, summary.Totals))
}

// wordsPer names what a chart shows.
func wordsPer(locale *language.Locale, summary query.Summary) string {
	shown := Range(locale, summary.From, summary.To)
	switch summary.Granularity {
	case rollup.Week:
		return locale.Text("chart.per_week", "range", shown)
	case rollup.Month:
		return locale.Text("chart.per_month", "range", shown)
	case rollup.Year:
		return locale.Text("chart.per_year", "range", shown)
	case rollup.Total:
		return locale.Text("chart.total", "range", shown)
	default:
		return locale.Text("chart.per_day", "range", shown)
	}
}

// DescribePeriod says what a user learned in one of the periods of a granularity.
func DescribePeriod(locale *language.Locale, granularity rollup.Granularity, period query.PeriodSummary) string {
	return describe(locale, PeriodName(locale, granularity, period.Period), period.Sums)
}

// describe says what was learned at a time of that name.
func describe(locale *language.Locale, name string, sums rollup.Sums) string {
	switch sums.EntryCount {
	case 0:
		return locale.Text("chart.no_log", "what", name)
	case 1:
		return locale.Text("chart.sums", "what", name, "sums", describeSums(locale, sums))
	default:
		return locale.Text("chart.sums_with_average", "what", name, "sums", describeSums(locale, sums), "average", sums.Average())
	}
}

func describeSums(locale *language.Locale, sums rollup.Sums) string {
	return locale.Text("words_in_logs", "words", locale.Text("words", "count", sums.TotalWordCount), "logs", sums.EntryCount)
}
