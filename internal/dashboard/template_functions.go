package dashboard

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"learninglog/internal/language"
)

// templateFunctions are those that the templates call. Those that write something do so in English,
// for the pages of operators: other pages use the methods of their [layout].
func (p *Pages) templateFunctions() template.FuncMap {
	return template.FuncMap{
		"asset":    p.assets.path,
		"jobsPath": func() string { return p.JobsPath },
		"zone":     p.Zone.String,
		"number":   number,
		"moment":   func(t time.Time) string { return moment(t.In(p.Zone)) },
	}
}

// moment writes an instant as the clocks of its location show it.
func moment(t time.Time) string { return language.English().Moment(t) }

// number writes a whole number with commas between its thousands.
func number(n any) string { return humanize.Comma(whole(n)) }

// count writes a number of things, of which thing is one.
func count(n, thing any) string {
	return number(n) + " " + english.PluralWord(int(whole(n)), fmt.Sprint(thing), "")
}

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

func capital(word string) string { return fmt.Sprintf("%s%s", strings.ToUpper(word[:1]), word[1:]) }
