// Package chart draws summaries as SVG: a bar for the words of each period, and a
// line for the words per log.
package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"

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

// Coordinates are in units of the chart's own: it has this width and height in them,
// however large it is shown.
const (
	width  = 720
	height = 300
	edge   = 6  // between text and the side of the chart
	left   = 52 // left, right, top and bottom are the sides of the plot
	right  = width - 52
	top    = 40
	bottom = 264
)

// Draw returns the chart of a summary of at most [MaxPeriods], as an svg element
// without a style.
func Draw(summary query.Summary) []byte { return draw(summary, nil) }

// Picture returns the same chart as an SVG file with its style, which follows the colour
// scheme of its viewer.
func Picture(summary query.Summary) []byte { return draw(summary, Style) }

func draw(summary query.Summary, style []byte) []byte {
	c := canvas{summary: summary, slot: float64(right-left) / float64(max(1, len(summary.Periods)))}
	words, averages := 0.0, 0.0
	for _, period := range summary.Periods {
		words, averages = max(words, float64(period.TotalWordCount)), max(averages, period.Average())
	}
	c.words, c.averages = newScale(words), newScale(averages)

	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		width, height, html.EscapeString(Describe(summary)))
	if style != nil {
		c.printf(`<style>%s</style><rect class="paper" width="%d" height="%d"/>`, style, width, height)
	}
	c.legend()
	c.grid()
	c.bars()
	c.line()
	c.printf("</svg>\n")
	return c.Bytes()
}

// Describe says in a sentence what a chart shows.
func Describe(summary query.Summary) string {
	return fmt.Sprintf("Words per %s, %s to %s: %s in %s",
		summary.Granularity, Date(summary.From), Date(summary.To),
		Count(summary.Totals.TotalWordCount, "word"), Count(summary.Totals.EntryCount, "log"))
}

// DescribePeriod says what a user learned in one of the periods of a granularity.
func DescribePeriod(granularity rollup.Granularity, period query.PeriodSummary) string {
	name := PeriodName(granularity, period.Period)
	if period.EntryCount == 0 {
		return name + ": no log"
	}
	said := name + ": " + Count(period.TotalWordCount, "word") + " in " + Count(period.EntryCount, "log")
	if period.EntryCount > 1 {
		said += ", " + humanize.FormatFloat("#,###.#", period.Average()) + " per log"
	}
	return said
}

type canvas struct {
	bytes.Buffer

	summary         query.Summary
	slot            float64 // the width of a period
	words, averages scale
}

func (c *canvas) printf(format string, values ...any) { fmt.Fprintf(&c.Buffer, format, values...) }

func (c *canvas) legend() {
	c.printf(`<rect class="bar" x="%d" y="8" width="12" height="12"/><text x="%d" y="19">words</text>`, edge, edge+18)
	c.printf(`<text x="%d" y="19" text-anchor="end">words per log</text><circle class="point" cx="%d" cy="14" r="4"/>`,
		width-edge-14, width-edge-5)
}

// grid draws the grid, with the scale of the bars on the left and that of the line on
// the right.
func (c *canvas) grid() {
	for line := range steps + 1 {
		y := bottom - float64(line)*(bottom-top)/steps
		c.printf(`<path class="grid" d="M%d %.1fH%d"/>`, left, y, right)
		c.printf(`<text x="%d" y="%.1f">%s</text>`, edge, y+4, c.words.label(line))
		c.printf(`<text class="of-line" x="%d" y="%.1f" text-anchor="end">%s</text>`, width-edge, y+4, c.averages.label(line))
	}
	// There is room for this many names, and for half as many where text is larger.
	const most = 10
	every := max(1, (len(c.summary.Periods)+most-1)/most)
	for i := every / 2; i < len(c.summary.Periods); i += every {
		class := ""
		if i/every%2 == 1 {
			class = ` class="minor"`
		}
		c.printf(`<text%s x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			class, c.middle(i), bottom+22, shortName(c.summary.Granularity, c.summary.Periods[i].Period))
	}
}

// bars draws the bars. To read a period's figures one may point anywhere in its slot.
func (c *canvas) bars() {
	const share, widest = 0.7, 60
	barWidth := min(c.slot*share, widest)
	for i, period := range c.summary.Periods {
		high := c.words.height(float64(period.TotalWordCount)) * (bottom - top)
		c.printf(`<g class="period"><title>%s</title><rect class="room" x="%.1f" y="%d" width="%.1f" height="%d"/>`,
			html.EscapeString(DescribePeriod(c.summary.Granularity, period)), c.middle(i)-c.slot/2, top, c.slot, bottom-top)
		if high > 0 {
			c.printf(`<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`,
				c.middle(i)-barWidth/2, bottom-high, barWidth, high)
		}
		c.printf(`</g>`)
	}
}

// line draws the averages. It is broken where there is no log, and so no average.
func (c *canvas) line() {
	const mostPoints = 62
	command := "M"
	var path, points bytes.Buffer
	for i, period := range c.summary.Periods {
		if period.EntryCount == 0 {
			command = "M"
			continue
		}
		x, y := c.middle(i), bottom-c.averages.height(period.Average())*(bottom-top)
		fmt.Fprintf(&path, "%s%.1f %.1f", command, x, y)
		command = "L"
		if len(c.summary.Periods) <= mostPoints {
			fmt.Fprintf(&points, `<circle class="point" cx="%.1f" cy="%.1f" r="3"/>`, x, y)
		} else {
			fmt.Fprintf(&path, "h.01") // so that a single point is visible
		}
	}
	if path.Len() > 0 {
		class := "line"
		if points.Len() == 0 {
			class = "line thin"
		}
		c.printf(`<path class="%s" d="%s"/>%s`, class, path.Bytes(), points.Bytes())
	}
}

func (c *canvas) middle(i int) float64 { return left + (float64(i)+1.0/2)*c.slot }
