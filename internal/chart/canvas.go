package chart

import (
	"bytes"
	"fmt"
	"html"

	"learninglog/internal/language"
	"learninglog/rollup"
)

// Coordinates are in units of a chart's own: it has this width in them, however wide it
// is shown.
const (
	width = 720
	edge  = 6  // between text and the side of the chart
	left  = 52 // left is a side of the plot
	above = 16 // the height of what is above the plot, without a legend
	below = 40 // the height of what is below the plot
)

// canvas is a chart that is being drawn: bars side by side, each in a slot, and perhaps a
// line over them.
type canvas struct {
	bytes.Buffer

	locale *language.Locale
	// right, top and bottom are sides of the plot.
	height, right, top, bottom int
	count                      int // of the slots
	slot                       float64
	sums                       func(i int) rollup.Sums
	words, averages            scale
}

// newCanvas returns an empty canvas for so many sums. Its scale has room for a number of
// words.
func newCanvas(locale *language.Locale, count, height, right int, room int64, sums func(i int) rollup.Sums) *canvas {
	c := &canvas{
		locale: locale,
		height: height, right: right, top: above, bottom: height - below,
		count: count, slot: float64(right-left) / float64(max(1, count)), sums: sums,
	}
	words, averages := float64(room), 0.0
	for i := range count {
		words, averages = max(words, float64(sums(i).TotalWordCount)), max(averages, sums(i).Average())
	}
	c.words, c.averages = newScale(words), newScale(averages)
	const bytesPerSlot = 320 // about
	c.Grow(bytesPerSlot * count)
	return c
}

func (c *canvas) printf(format string, values ...any) { fmt.Fprintf(&c.Buffer, format, values...) }

// begin begins the chart, with a text for those who can't see it. A nil style is none.
func (c *canvas) begin(label string, style []byte) {
	c.printf(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		width, c.height, html.EscapeString(label))
	if style != nil {
		c.printf(`<style>%s</style><rect class="paper" width="%d" height="%d"/>`, style, width, c.height)
	}
}

func (c *canvas) end() []byte {
	c.printf("</svg>\n")
	return c.Bytes()
}

// legend says what the bars are, and what the line and the goal are if there are any. Bars
// alone are what the heading of the chart says.
func (c *canvas) legend(bars, line, goal string) {
	const height, goalAt = 30, width / 4
	if line == "" && goal == "" {
		return
	}
	c.top += height
	c.printf(`<rect class="bar" x="%d" y="8" width="12" height="12"/><text x="%d" y="19">%s</text>`, edge, edge+18, html.EscapeString(bars))
	if line != "" {
		c.printf(`<text x="%d" y="19" text-anchor="end">%s</text><circle class="point" cx="%d" cy="14" r="4"/>`,
			width-edge-14, html.EscapeString(line), width-edge-5)
	}
	if goal != "" {
		c.printf(`<path class="goal" d="M%d 14h30"/><text class="of-goal" x="%d" y="19">%s</text>`, goalAt, goalAt+36, html.EscapeString(goal))
	}
}

// grid draws the grid, with the scale of the bars on the left.
func (c *canvas) grid() {
	for line := range steps + 1 {
		y := c.gridLine(line)
		c.printf(`<path class="grid" d="M%d %.1fH%d"/>`, left, y, c.right)
		c.printf(`<text x="%d" y="%.1f">%s</text>`, edge, y+4, c.words.label(c.locale, line))
	}
}

// scaleOfLine draws the scale of the line on the right.
func (c *canvas) scaleOfLine() {
	for line := range steps + 1 {
		c.printf(`<text class="of-line" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			width-edge, c.gridLine(line)+4, c.averages.label(c.locale, line))
	}
}

func (c *canvas) gridLine(line int) float64 {
	return float64(c.bottom) - float64(line*(c.bottom-c.top))/steps
}

// name writes a name below the plot. A minor one is left out where text is larger.
func (c *canvas) name(x float64, name string, minor bool) {
	class := ""
	if minor {
		class = ` class="minor"`
	}
	c.printf(`<text%s x="%.1f" y="%d" text-anchor="middle">%s</text>`, class, x, c.bottom+26, html.EscapeString(name))
}

// bars draws the bars. To read the figures of one, one may point anywhere in its slot. The
// one that isn't over is hatched, if it is among them.
func (c *canvas) bars(title func(i int) string, unfinished int) {
	const share, widest = 0.7, 60
	barWidth, high := min(c.slot*share, widest), c.bottom-c.top
	if unfinished < c.count {
		c.printf(`<defs><pattern id="unfinished" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">` +
			`<rect class="bar" width="3" height="6"/></pattern></defs>`)
	}
	for i := range c.count {
		c.printf(`<g class="period"><title>%s</title><rect class="room" x="%.1f" y="%d" width="%.1f" height="%d"/>`,
			html.EscapeString(title(i)), c.middle(i)-c.slot/2, c.top, c.slot, high)
		if bar := c.words.height(float64(c.sums(i).TotalWordCount)) * float64(high); bar > 0 {
			class := "bar"
			if i == unfinished {
				class = "bar unfinished"
			}
			c.printf(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`,
				class, c.middle(i)-barWidth/2, float64(c.bottom)-bar, barWidth, bar)
		}
		c.printf(`</g>`)
	}
}

// goal draws a line across the plot at a number of words.
func (c *canvas) goal(words int64) {
	y := float64(c.bottom) - c.words.height(float64(words))*float64(c.bottom-c.top)
	c.printf(`<path class="goal" d="M%d %.1fH%d"/>`, left, y, c.right)
}

// averageLine draws the averages of each period's logs. The line is broken where there is no
// log, and so no average.
func (c *canvas) averageLine() {
	c.line(c.averages, func(i int) (float64, bool) { return c.sums(i).Average(), c.sums(i).EntryCount > 0 })
}

// movingAverage draws the average of the words of so many periods, up to each of the first ones
// that are over.
func (c *canvas) movingAverage(periods, over int) {
	var sum float64
	c.line(c.words, func(i int) (float64, bool) {
		sum += float64(c.sums(i).TotalWordCount)
		if i >= periods {
			sum -= float64(c.sums(i - periods).TotalWordCount)
		}
		return sum / float64(periods), i >= periods-1 && i < over
	})
}

// line draws a line through the values of slots, each asked for once and in order. It is
// broken where there is no value.
func (c *canvas) line(scale scale, value func(i int) (float64, bool)) {
	const mostPoints = 62
	command := "M"
	var path, points bytes.Buffer
	for i := range c.count {
		value, ok := value(i)
		if !ok {
			command = "M"
			continue
		}
		x, y := c.middle(i), float64(c.bottom)-scale.height(value)*float64(c.bottom-c.top)
		fmt.Fprintf(&path, "%s%.1f %.1f", command, x, y)
		command = "L"
		if c.count <= mostPoints {
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
