package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Sparkline returns a small chart without scales, as an svg element without a style: the
// values, which must not be negative, from left to right. The last one is at the right side,
// and there is room for so many. [math.NaN] stands for no value, where the line is broken.
func Sparkline(label string, values []float64, room int) []byte {
	const width, height, margin = 240, 48, 4
	var svg, line bytes.Buffer
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`+
		`<path class="grid" d="M0 %[4]dH%[1]d"/>`, width, height, html.EscapeString(label), height-margin)
	highest := 0.0
	for _, value := range values {
		if !math.IsNaN(value) {
			highest = max(highest, value)
		}
	}
	step := float64(width-2*margin) / float64(max(1, room-1))
	x := func(i int) float64 { return float64(width-margin) - float64(len(values)-1-i)*step }
	y := func(value float64) float64 {
		if highest == 0 {
			return height - margin
		}
		return height - margin - value/highest*(height-2*margin)
	}
	command := "M"
	for i, value := range values {
		if math.IsNaN(value) {
			command = "M"
			continue
		}
		fmt.Fprintf(&line, "%s%.1f %.1f", command, x(i), y(value))
		if command == "M" {
			line.WriteString("h.01") // so that a single value is visible
		}
		command = "L"
	}
	if line.Len() > 0 {
		fmt.Fprintf(&svg, `<path class="trend" d="%s"/>`, line.Bytes())
	}
	if last := len(values) - 1; last >= 0 && !math.IsNaN(values[last]) {
		fmt.Fprintf(&svg, `<circle class="bar" cx="%.1f" cy="%.1f" r="3"/>`, x(last), y(values[last]))
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}
