package chart

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Progress is how much of a goal is done, with the texts for it.
type Progress struct {
	// Goal is 0 if there is none.
	Done, Goal int64
	// Number is what is done, Caption what that is, and Of is what the goal is, or empty.
	Number, Caption, Of string
}

// Ring returns a ring that closes as a goal is reached, as an svg element without a style.
// Without a goal it has only the number.
func Ring(p Progress) []byte {
	const size, middle, radius = 160, 80, 70
	var svg bytes.Buffer
	label := p.Number + " " + p.Caption
	if p.Of != "" {
		label += " " + p.Of
	}
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" class="ring" viewBox="0 0 %d %d" role="img" aria-label="%s">`,
		size, size, html.EscapeString(label))
	if p.Goal > 0 {
		fmt.Fprintf(&svg, `<circle class="track" cx="%d" cy="%d" r="%d"/>`, middle, middle, radius)
	}
	if share := p.share(); share > 0 {
		const around = 2 * math.Pi * radius
		class := "done"
		if share == 1 {
			class = "done reached"
		}
		fmt.Fprintf(&svg, `<circle class="%s" cx="%d" cy="%d" r="%d" transform="rotate(-90 %d %d)" stroke-dasharray="%.1f %.1f"/>`,
			class, middle, middle, radius, middle, middle, share*around, around)
	}
	const fits = 7 // so many digits
	number := "number"
	if len(p.Number) > fits {
		number = "number long"
	}
	lines := []struct{ class, text string }{{number, p.Number}, {"caption", p.Caption}, {"caption", p.Of}}
	heights := []int{78, 100, 120}
	if p.Of == "" {
		heights = []int{86, 110, 0}
	}
	for i, line := range lines {
		if line.text != "" {
			fmt.Fprintf(&svg, `<text class="%s" x="%d" y="%d" text-anchor="middle">%s</text>`, line.class, middle, heights[i], html.EscapeString(line.text))
		}
	}
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

// share returns how much of the goal is done, from 0 to 1.
func (p Progress) share() float64 {
	if p.Goal <= 0 || p.Done <= 0 {
		return 0
	}
	return min(1, float64(p.Done)/float64(p.Goal))
}
