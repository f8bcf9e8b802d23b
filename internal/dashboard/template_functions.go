package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"learninglog/internal/chart"
	"learninglog/rollup"
)

// templateFunctions are those that the templates call.
func (p *Pages) templateFunctions() template.FuncMap {
	return template.FuncMap{
		"asset":    p.assets.path,
		"jobsPath": func() string { return p.JobsPath },
		"zone":     p.Zone.String,
		"number":   number,
		"count":    count,
		"average":  tenths,
		"change":   change,
		"date":     chart.Date,
		"moment":   func(t time.Time) string { return moment(t.In(p.Zone)) },
		"learner":  nameOf,
		"title":    func(granularity rollup.Granularity) string { return capital(string(granularity)) },
	}
}

// moment writes an instant as the clocks of its location show it.
func moment(t time.Time) string { return t.Format("2 January 2006, 15:04:05") }

// number writes a whole number with commas between its thousands.
func number(n any) string { return humanize.Comma(whole(n)) }

// count writes a number of things, of which thing is one.
func count(n, thing any) string { return chart.Count(whole(n), fmt.Sprint(thing)) }

// whole returns a whole number of any type that templates have.
func whole(n any) int64 {
	switch n := n.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	default:
		panic(fmt.Sprintf("dashboard: %T is no number", n))
	}
}

// longestMeasured is the highest bound of a duration that is measured.
const longestMeasured = 30 * time.Second

// within writes an upper bound of a duration. 0 is none.
func within(bound time.Duration) string {
	switch {
	case bound == 0:
		return "–"
	case bound > longestMeasured:
		return "> 30 s"
	case bound >= time.Second:
		return fmt.Sprintf("≤ %v s", bound.Seconds())
	default:
		return fmt.Sprintf("≤ %v ms", float64(bound.Microseconds())/float64(time.Millisecond.Microseconds()))
	}
}

func tenths(n float64) string { return humanize.FormatFloat("#,###.#", n) }

// change writes a difference in per cent with its sign.
func change(percent float64) string {
	whole, sign := int64(math.Round(percent)), ""
	switch {
	case whole > 0:
		sign = "+"
	case whole < 0:
		sign, whole = "−", -whole
	}
	return sign + humanize.Comma(whole) + "\u00a0%"
}

func capital(word string) string { return fmt.Sprintf("%s%s", strings.ToUpper(word[:1]), word[1:]) }
