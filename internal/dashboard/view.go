package dashboard

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/internal/problem"
	"learninglog/internal/timerange"
	"learninglog/query"
	"learninglog/rollup"
)

// view is the range of periods that a learner's page shows. All of it is in the address
// of the page, so that it can be shared.
type view struct {
	By rollup.Granularity
	// From and To are dates in the first and in the last period.
	From, To rollup.Date
	// Moving says that the range ends today, whenever that is.
	Moving bool
	// Year is that of the calendar, as the address has it.
	Year string
	// WithVoided also lists logs that were taken back.
	WithVoided bool
	// WithIDs lists the request ids of logs.
	WithIDs bool
	// WithAverages also shows the words per log.
	WithAverages bool

	today rollup.Date
}

// included is what a parameter is where something is shown that isn't shown by default.
const included = "include"

// options are the names of such parameters, each with what it changes.
func (v *view) options() map[string]*bool {
	return map[string]*bool{"voided": &v.WithVoided, "ids": &v.WithIDs, "averages": &v.WithAverages}
}

func parseView(parameters url.Values, today rollup.Date) (view, error) {
	v := view{By: rollup.Day, today: today, Year: parameters.Get("year")}
	for name, option := range v.options() {
		value := parameters.Get(name)
		if value != "" && value != included {
			return view{}, wrongParameter(name, "must be "+included)
		}
		*option = value != ""
	}
	if by := parameters.Get("by"); by != "" {
		granularity, err := rollup.ParseGranularity(by)
		if err != nil || granularity != granularity.RolledUp() {
			return view{}, wrongParameter("by", "must be day, week or month")
		}
		v.By = granularity
	}
	from, to, err := parseRange(parameters)
	if err != nil {
		return view{}, wrongAddress(err.Error())
	}
	v.Moving, v.To = from == nil && to == nil, today
	if to != nil {
		v.To = *to
	}
	v.From = max(query.DefaultFrom(v.By, v.To), rollup.NewDate(1, time.January, 1))
	if from != nil {
		v.From = *from
	}
	if v.From > v.To {
		if to == nil {
			return view{}, wrongParameter("from", "must not be in the future")
		}
		return view{}, wrongParameter("from", "must not be after to")
	}
	return v.fitting()
}

// parseRange returns the bounds of a range, of which nil is none. The text of its error
// begins with the name of the one that is wrong.
func parseRange(parameters url.Values) (from, to *rollup.Date, err error) {
	for name, bound := range map[string]**rollup.Date{"from": &from, "to": &to} {
		text := parameters.Get(name)
		if text == "" {
			continue
		}
		date, err := timerange.ParseDate(text)
		if err != nil {
			return nil, nil, fmt.Errorf("%s %s", name, timerange.Expected)
		}
		*bound = &date
	}
	return from, to, nil
}

// fitting returns the view, with longer periods where a chart has no room for all of
// them.
func (v view) fitting() (view, error) {
	granularities := rollup.Granularities()
	for _, granularity := range granularities[slices.Index(granularities, v.By):] {
		if v.fits(granularity) {
			v.By = granularity
			return v, nil
		}
	}
	return view{}, problem.Invalid.New("At most 27 years can be shown at a time.").Titled("This range is too long")
}

// first returns the first date of the first period.
func (v view) first() rollup.Date { return v.By.Start(v.From) }

// last returns the last date of the last period.
func (v view) last() rollup.Date { return v.By.Next(v.To) - 1 }

// fits says whether the range has few enough periods, and few enough days.
func (v view) fits(granularity rollup.Granularity) bool {
	v.By = granularity
	_, err := granularity.Starts(v.From, v.To, chart.MaxPeriods)
	return err == nil && v.last()-v.first() < query.MaxPeriods
}

// length counts the days of the range until today, or until the last one of those that have
// a log, which may be after today where a client's clock is ahead.
func (v view) length(days query.Days) int {
	last := v.last()
	if v.today < last {
		last = v.today
		if len(days) > 0 {
			last = max(last, days[len(days)-1].Period)
		}
	}
	return max(0, int(last-v.first())+1)
}

// periods counts the periods.
func (v view) periods() int {
	starts, err := v.By.Starts(v.From, v.To, chart.MaxPeriods)
	if err != nil {
		return 0 // it fits
	}
	return len(starts)
}

// moved returns the range of as many periods that ends where this one begins, if the
// number is -1, or begins where it ends, if the number is 1.
func (v view) moved(ranges int) view {
	by := ranges * v.periods()
	v.From, v.To, v.Moving = v.By.Add(v.From, by), v.By.Add(v.To, by+1)-1, false
	return v
}

// Link returns the address of the view.
func (v view) Link() string { return "?" + v.parameters().Encode() }

// linkWith returns the address of the view with a parameter added or replaced.
func (v view) linkWith(name, value string) string {
	parameters := v.parameters()
	parameters.Set(name, value)
	return "?" + parameters.Encode()
}

func (v view) parameters() url.Values {
	parameters := url.Values{"by": {string(v.By)}}
	if !v.Moving {
		parameters.Set("from", v.From.String())
		parameters.Set("to", v.To.String())
	}
	if v.Year != "" {
		parameters.Set("year", v.Year)
	}
	for name, option := range v.options() {
		if *option {
			parameters.Set(name, included)
		}
	}
	return parameters
}

// choice is one of several links. Current says that it leads to this very page.
type choice struct {
	Name, Link string
	Current    bool
}

// ranges are the ranges that end now.
func (v view) ranges(l *language.Locale) []choice {
	var choices []choice
	for _, granularity := range rollup.Granularities() {
		moving := v
		moving.By, moving.Moving = granularity, true
		choices = append(choices, choice{
			Name: periods(l, granularity, query.DefaultPeriods(granularity)),
			Link: moving.Link(), Current: v.Moving && v.By == granularity,
		})
	}
	return choices
}

// switches show the same range by periods of each length that a chart has room for.
func (v view) switches(l *language.Locale) []choice {
	var choices []choice
	for _, granularity := range rollup.Granularities() {
		if v.fits(granularity) {
			same := v
			same.By, same.Moving = granularity, false
			choices = append(choices, choice{Name: textsOf(l, granularity).name, Link: same.Link(), Current: v.By == granularity})
		}
	}
	return choices
}

// Toggle is a link to the same view with what an option shows, or without it.
func (v view) Toggle(name string) (string, error) {
	option := v.options()[name]
	if option == nil {
		return "", fmt.Errorf("there is no option %q", name)
	}
	*option = !*option
	return v.Link(), nil
}

// Hidden are the parameters of the view that a form for another range keeps.
func (v view) Hidden() map[string]string {
	kept := make(map[string]string)
	for name, values := range v.parameters() {
		if name != "from" && name != "to" {
			kept[name] = values[0]
		}
	}
	return kept
}

// ofDay returns the view of a day.
func (v view) ofDay(day rollup.Date) view {
	v.By, v.From, v.To, v.Moving = rollup.Day, day, day, false
	return v
}

// Previous is a link to the range before, or empty if that is before the year 1.
func (v view) Previous() string {
	before := v.moved(-1)
	if before.From < rollup.NewDate(1, time.January, 1) {
		return ""
	}
	return before.Link()
}

// Next is a link to the range after, or empty if that hasn't begun.
func (v view) Next() string {
	if v.last() >= v.today {
		return ""
	}
	return v.moved(1).Link()
}

// Download returns the parameters of the same summary in a format, for the API.
func (v view) Download(format string) string {
	return "?" + url.Values{
		"granularity": {string(v.By)},
		"from":        {v.first().String()},
		"to":          {v.last().String()},
		"format":      {format},
	}.Encode()
}

// name is the range in words.
func (v view) name(l *language.Locale) string { return rangeName(l, v.first(), v.last()) }

// rangeName is a range in words, or a day.
func rangeName(l *language.Locale, first, last rollup.Date) string {
	if first == last {
		return l.FullDate(first)
	}
	return l.Text("range", "from", first, "to", last)
}

// periods is a number of periods in words.
func periods(l *language.Locale, by rollup.Granularity, count int) string {
	switch by {
	case rollup.Week:
		return l.Text("weeks", "count", count)
	case rollup.Month:
		return l.Text("months", "count", count)
	default:
		return l.Text("days", "count", count)
	}
}

// periodTexts are the texts about periods of a length: what one is called, also as the heading
// of a column, and what a chart of them shows.
type periodTexts struct{ name, column, heading string }

func textsOf(l *language.Locale, by rollup.Granularity) periodTexts {
	switch by {
	case rollup.Week:
		return periodTexts{l.Text("by.week"), l.Text("column.week"), l.Text("words_per.week")}
	case rollup.Month:
		return periodTexts{l.Text("by.month"), l.Text("column.month"), l.Text("words_per.month")}
	default:
		return periodTexts{l.Text("by.day"), l.Text("column.day"), l.Text("words_per.day")}
	}
}
