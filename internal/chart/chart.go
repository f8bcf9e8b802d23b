// Package chart draws as SVG what was learned: a bar for the words of each period or each
// hour of the day, with lines for a goal, an average or the words per log; a ring for a goal;
// and badges. For operators it draws sparklines.
package chart

import (
	"cmp"
	_ "embed"
	"slices"

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

// Options say what a chart shows beside the words.
type Options struct {
	// Averages adds the words per log, as a line with a scale of its own. Without it, a long
	// chart of days or weeks has the moving average of its words.
	Averages bool
	// Goal is the number of words at which a line is drawn, unless it is 0.
	Goal int64
	// Unfinished is the first date of the period that isn't over, or nil. A moving average ends
	// before it, and it is hatched unless it is a day: today is as it is.
	Unfinished *rollup.Date
}

// Draw returns the chart of a summary of at most [MaxPeriods], as an svg element
// without a style.
func Draw(locale *language.Locale, summary query.Summary, options Options) []byte {
	return draw(locale, summary, options, nil)
}

// Picture returns a chart as an SVG file with its style, which follows the colour scheme of
// its viewer. It shows the words per log too.
func Picture(locale *language.Locale, summary query.Summary) []byte {
	return draw(locale, summary, Options{Averages: true}, Style)
}

func draw(locale *language.Locale, summary query.Summary, options Options, style []byte) []byte {
	const height, besideScale = 300, 52
	right := width - edge
	if options.Averages {
		right = width - besideScale
	}
	c := newCanvas(locale, len(summary.Periods), height, right, options.Goal, func(i int) rollup.Sums { return summary.Periods[i].Sums })
	c.begin(Describe(locale, summary), style)
	goal := ""
	if options.Goal > 0 {
		goal = locale.Text("chart.goal", "words", options.Goal)
	}
	c.legend(locale.Text("chart.words"), nameOfLine(locale, summary, options), goal)
	c.grid()
	if options.Averages {
		c.scaleOfLine()
	}
	c.periodNames(summary)
	over := options.over(summary)
	hatched := over
	if summary.Granularity == rollup.Day {
		hatched = len(summary.Periods)
	}
	c.bars(func(i int) string { return DescribePeriod(locale, summary.Granularity, summary.Periods[i]) }, hatched)
	if options.Goal > 0 {
		c.goal(options.Goal)
	}
	if options.Averages {
		c.averageLine()
	} else if periods := movingAverage(summary); periods > 0 {
		c.movingAverage(periods, over)
	}
	return c.end()
}

// over returns how many of the periods of a summary are over: their first ones.
func (o Options) over(summary query.Summary) int {
	if o.Unfinished == nil {
		return len(summary.Periods)
	}
	over, _ := slices.BinarySearchFunc(summary.Periods, *o.Unfinished, func(p query.PeriodSummary, start rollup.Date) int {
		return cmp.Compare(p.Period, start)
	})
	return over
}

// nameOfLine says what the line of a chart is, or nothing if it has none.
func nameOfLine(locale *language.Locale, summary query.Summary, options Options) string {
	over := movingAverage(summary)
	switch {
	case options.Averages:
		return locale.Text("chart.words_per_log")
	case over == 0:
		return ""
	case summary.Granularity == rollup.Week:
		return locale.Text("chart.average_weeks", "count", over)
	default:
		return locale.Text("chart.average_days", "count", over)
	}
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
