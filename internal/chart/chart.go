// Package chart draws as SVG what was learned: a bar for the words of each period or
// each hour of the day, and for periods a line for the words per log. For operators it
// draws sparklines.
package chart

import (
	_ "embed"
	"fmt"
	"slices"

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

// Options say what a chart shows beside the words.
type Options struct {
	// Averages adds the words per log, as a line with a scale of its own. Without it, a long
	// chart of days or weeks has the moving average of its words.
	Averages bool
	// Goal is the number of words at which a line is drawn, unless it is 0.
	Goal int64
	// Unfinished is the first date of the period that isn't over, which is hatched, or nil.
	Unfinished *rollup.Date
}

// Draw returns the chart of a summary of at most [MaxPeriods], as an svg element
// without a style.
func Draw(summary query.Summary, options Options) []byte { return draw(summary, options, nil) }

// Picture returns a chart as an SVG file with its style, which follows the colour scheme of
// its viewer. It shows the words per log too.
func Picture(summary query.Summary) []byte { return draw(summary, Options{Averages: true}, Style) }

func draw(summary query.Summary, options Options, style []byte) []byte {
	const height, besideScale = 300, 52
	right := width - edge
	if options.Averages {
		right = width - besideScale
	}
	c := newCanvas(len(summary.Periods), height, right, options.Goal, func(i int) rollup.Sums { return summary.Periods[i].Sums })
	c.begin(Describe(summary), style)
	unfinished := -1
	if options.Unfinished != nil {
		unfinished = slices.IndexFunc(summary.Periods, func(p query.PeriodSummary) bool { return p.Period == *options.Unfinished })
		c.hatching()
	}
	line, average := "", 0
	switch average = movingAverage(summary); {
	case options.Averages:
		line = "words per log"
	case average > 0:
		line = fmt.Sprintf("average of %d %ss", average, summary.Granularity)
	}
	c.legend("words", line)
	c.grid()
	if options.Averages {
		c.scaleOfLine()
	}
	c.periodNames(summary)
	c.bars(func(i int) string { return DescribePeriod(summary.Granularity, summary.Periods[i]) }, unfinished)
	if options.Goal > 0 {
		c.level(options.Goal)
	}
	switch {
	case options.Averages:
		c.averageLine()
	case average > 0:
		c.movingAverage(average)
	}
	return c.end()
}

// movingAverage returns over how many periods the words of a long chart are averaged, or 0.
func movingAverage(summary query.Summary) int {
	const days, weeks = 45, 26 // from which on a chart is long
	switch {
	case summary.Granularity == rollup.Day && len(summary.Periods) >= days:
		return 7
	case summary.Granularity == rollup.Week && len(summary.Periods) >= weeks:
		return 4
	default:
		return 0
	}
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
