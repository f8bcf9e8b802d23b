// Package chart draws as SVG what was learned: a bar for the words of each period or
// each hour of the day, and for periods a line for the words per log. For operators it
// draws sparklines.
package chart

import (
	_ "embed"
	"fmt"

	"github.com/dustin/go-humanize"

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
func Draw(summary query.Summary) []byte { return draw(summary, nil) }

// Picture returns the same chart as an SVG file with its style, which follows the colour
// scheme of its viewer.
func Picture(summary query.Summary) []byte { return draw(summary, Style) }

func draw(summary query.Summary, style []byte) []byte {
	const height, right = 300, width - 52
	c := newCanvas(len(summary.Periods), height, right, func(i int) rollup.Sums { return summary.Periods[i].Sums })
	c.begin(Describe(summary), style)
	c.legend("words", "words per log")
	c.grid()
	c.scaleOfLine()
	c.periodNames(summary)
	c.bars(func(i int) string { return DescribePeriod(summary.Granularity, summary.Periods[i]) })
	c.line()
	return c.end()
}

// periodNames writes the names of some periods below their bars.
func (c *canvas) periodNames(summary query.Summary) {
	// There is room for this many names, and for half as many where text is larger.
	const most = 10
	every := max(1, (c.count+most-1)/most)
	for i := every / 2; i < c.count; i += every {
		c.name(c.middle(i), shortName(summary.Granularity, summary.Periods[i].Period), i/every%2 == 1)
	}
}

// Describe says in a sentence what a chart shows.
func Describe(summary query.Summary) string {
	return fmt.Sprintf("Words per %s, %s to %s: %s",
		summary.Granularity, Date(summary.From), Date(summary.To), describeSums(summary.Totals))
}

// DescribePeriod says what a user learned in one of the periods of a granularity.
func DescribePeriod(granularity rollup.Granularity, period query.PeriodSummary) string {
	return describe(PeriodName(granularity, period.Period), period.Sums)
}

// describe says what was learned at a time of that name.
func describe(name string, sums rollup.Sums) string {
	if sums.EntryCount == 0 {
		return name + ": no log"
	}
	said := name + ": " + describeSums(sums)
	if sums.EntryCount > 1 {
		said += ", " + humanize.FormatFloat("#,###.#", sums.Average()) + " per log"
	}
	return said
}

func describeSums(sums rollup.Sums) string {
	return Count(sums.TotalWordCount, "word") + " in " + Count(sums.EntryCount, "log")
}
