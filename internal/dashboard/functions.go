package dashboard

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"learninglog/internal/chart"
	"learninglog/rollup"
)

// functions are those that the templates call.
func (p *Pages) functions() template.FuncMap {
	return template.FuncMap{
		"asset":         p.assets.path,
		"hasOperations": func() bool { return p.Operations != nil },
		"hasJobPages":   func() bool { return p.JobPages != nil },
		"rate":          func(perSecond float64) string { return english().Sprintf("%.1f", perSecond) },
		"within":        within,
		"zone":          p.Zone.String,
		"number":        number,
		"count":         count,
		"average":       average,
		"change":        change,
		"date":          longDate,
		"moment":        func(t time.Time) string { return t.In(p.Zone).Format("2 January 2006, 15:04:05") },
		"periodName":    chart.PeriodName,
		"title":         func(granularity rollup.Granularity) string { return capital(string(granularity)) },
	}
}

func english() *message.Printer { return message.NewPrinter(language.English) }

// number writes a whole number with its thousands apart.
func number(n any) string {
	if n, ok := n.(float64); ok {
		return english().Sprintf("%.0f", n)
	}
	return english().Sprintf("%d", n)
}

// within writes a bound of a duration, of which 0 is none.
func within(bound time.Duration) string {
	const longest = 30 * time.Second // that is measured
	switch {
	case bound == 0:
		return "–"
	case bound > longest:
		return "> 30 s"
	case bound >= time.Second:
		return english().Sprintf("≤ %v s", bound.Seconds())
	default:
		return english().Sprintf("≤ %v ms", float64(bound.Microseconds())/float64(time.Millisecond.Microseconds()))
	}
}

// count writes a number of things.
func count(n any, thing string) string {
	written := number(n)
	if written == "1" {
		return "1 " + thing
	}
	return written + " " + thing + "s"
}

func average(words float64) string { return english().Sprintf("%.1f", words) }

// change writes a difference in per cent with its sign.
func change(percent float64) string {
	written := english().Sprintf("%+.0f", percent)
	return strings.Replace(written, "-", "−", 1) + "\u00a0%"
}

func capital(word string) string { return fmt.Sprintf("%s%s", strings.ToUpper(word[:1]), word[1:]) }
