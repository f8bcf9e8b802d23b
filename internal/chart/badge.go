package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"html"
	"strconv"
	"strings"

	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// Badges are small pictures for pages of other sites: SVG files with a style, which follows the
// colour scheme of the viewer, and without scripts or anything from elsewhere.
//
//go:embed badge.css
var badgeStyle []byte

func beginBadge(locale *language.Locale, width, height int, title string) *bytes.Buffer {
	var svg bytes.Buffer
	title = html.EscapeString(title)
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" lang="%[5]s" role="img" aria-label="%[3]s">`+
		`<title>%[3]s</title><style>%[4]s</style>`, width, height, title, badgeStyle, locale.Tag())
	return &svg
}

// StreakBadge returns the badge of a learner's streak: how long the current one is, or else how
// long the longest was.
func StreakBadge(locale *language.Locale, streaks query.Streaks) []byte {
	const height, padding, baseline = 20, 7, 14
	label, value := locale.Text("badge.streak"), locale.Text("badge.not_begun")
	switch {
	case streaks.Current.Days > 0:
		value = locale.Text("days", "count", streaks.Current.Days)
	case streaks.Longest.Days > 0:
		value = locale.Text("badge.record", "days", streaks.Longest.Days)
	}
	labelWidth, valueWidth := textWidth(label), textWidth(value)
	middle := labelWidth + 2*padding
	width := middle + valueWidth + 2*padding
	svg := beginBadge(locale, width, height, label+": "+value)
	fmt.Fprintf(svg, `<clipPath id="round"><rect width="%d" height="%d" rx="3"/></clipPath>`, width, height)
	fmt.Fprintf(svg, `<g clip-path="url(#round)"><rect class="label" width="%d" height="%[2]d"/><rect class="value" x="%[1]d" width="%[3]d" height="%[2]d"/></g>`,
		middle, height, width-middle)
	fmt.Fprintf(svg, `<text class="on-label" x="%d" y="%d" textLength="%d">%s</text>`, padding, baseline, labelWidth, html.EscapeString(label))
	fmt.Fprintf(svg, `<text class="on-value" x="%d" y="%d" textLength="%d">%s</text>`, middle+padding, baseline, valueWidth, html.EscapeString(value))
	svg.WriteString("</svg>\n")
	return svg.Bytes()
}

// textWidth is about how wide a text of a badge is. Whatever font there is, it is made as wide.
func textWidth(text string) int {
	const firstWide = '\u2e80' // of the letters of China and Japan
	width := 0.0
	for _, letter := range text {
		switch {
		case strings.ContainsRune(" ,.iltrfj", letter):
			width += 4.2
		case letter >= firstWide:
			width += 11
		default:
			width += 7
		}
	}
	return int(width)
}

const (
	daysOfWeek  = 7
	badgeWeeks  = 52
	squareSize  = 10
	squareEvery = 13
)

// CalendarBadgeFrom is the first day of a calendar badge: a Monday, so that the last of its 52
// weeks has today.
func CalendarBadgeFrom(today rollup.Date) rollup.Date {
	return rollup.Week.Start(today) - (badgeWeeks-1)*daysOfWeek
}

// CalendarBadge returns the badge of a learner's last 52 weeks: a square for each day, darker
// for more words. The days are a summary per day, from [CalendarBadgeFrom] until today.
func CalendarBadge(locale *language.Locale, days query.Summary) []byte {
	const padding, captionHeight = 8, 20
	const width = 2*padding + badgeWeeks*squareEvery - (squareEvery - squareSize)
	const gridHeight = daysOfWeek*squareEvery - (squareEvery - squareSize)
	const height = 2*padding + gridHeight + captionHeight
	caption := locale.Text("badge.calendar", "days", days.Active(),
		"words", locale.Text("words", "count", days.Totals.TotalWordCount), "weeks", strconv.Itoa(badgeWeeks))
	svg := beginBadge(locale, width, height, caption)
	fmt.Fprintf(svg, `<rect class="paper" width="%d" height="%d" rx="4"/>`, width, height)
	squares := squaresByLevel(days, padding)
	for level := range squares {
		if squares[level].Len() > 0 {
			fmt.Fprintf(svg, `<path class="level%d" d="%s"/>`, level, squares[level].Bytes())
		}
	}
	fmt.Fprintf(svg, `<text x="%d" y="%d">%s</text></svg>`+"\n", padding, padding+gridHeight+captionHeight-padding/2, html.EscapeString(caption))
	return svg.Bytes()
}

// squaresByLevel returns the squares of the days of each level, as a path.
func squaresByLevel(days query.Summary, margin int) (paths [MaxLevel + 1]bytes.Buffer) {
	sums := make(map[rollup.Date]rollup.Sums, len(days.Periods))
	for _, day := range days.Periods {
		sums[day.Period] = day.Sums
	}
	levels := NewLevels(days.Periods)
	for date := days.From; date <= days.To; date++ {
		day := int(date - days.From)
		fmt.Fprintf(&paths[levels.Of(sums[date])], "M%d %dh%[3]dv%[3]dh-%[3]dz",
			margin+day/daysOfWeek*squareEvery, margin+day%daysOfWeek*squareEvery, squareSize)
	}
	return paths
}
