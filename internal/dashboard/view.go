package dashboard

import (
	"net/url"
	"time"

	"learninglog/internal/chart"
	"learninglog/internal/problem"
	"learninglog/internal/timerange"
	"learninglog/query"
	"learninglog/rollup"
)

// view is the range of periods that a learner's page shows. All of it is in the address
// of the page, so that it can be shared.
type view struct {
	By rollup.Granularity
	// From and To are in the first and in the last period.
	From, To time.Time
	// Moving says that the range ends now, whenever that is.
	Moving bool

	now  time.Time
	year string // of the calendar, as the address has it
}

func (p *Pages) parseView(parameters url.Values, now time.Time) (view, error) {
	v := view{By: rollup.Day, now: now, year: parameters.Get("year")}
	if by := parameters.Get("by"); by != "" {
		granularity, err := rollup.ParseGranularity(by)
		if err != nil {
			return view{}, wrongParameter("by", "must be day, week or month")
		}
		v.By = granularity
	}
	from, to, err := p.parseRange(parameters)
	if err != nil {
		return view{}, err
	}
	switch {
	case from == nil && to == nil:
		v.Moving, v.To = true, now
	case to == nil:
		v.To = now
	default:
		v.To = to.Last(p.Zone)
	}
	if from == nil {
		v.From = query.DefaultFrom(v.By, v.To, p.Zone)
	} else {
		v.From = from.At.In(p.Zone)
	}
	if v.From.After(v.To) {
		if to == nil {
			return view{}, wrongParameter("from", "must not be in the future")
		}
		return view{}, wrongParameter("from", "must not be after to")
	}
	return v.fitting()
}

func (p *Pages) parseRange(parameters url.Values) (from, to *timerange.Bound, err error) {
	for name, bound := range map[string]**timerange.Bound{"from": &from, "to": &to} {
		text := parameters.Get(name)
		if text == "" {
			continue
		}
		parsed, err := timerange.Parse(text, p.Zone)
		if err != nil {
			return nil, nil, wrongParameter(name, timerange.Expected)
		}
		*bound = &parsed
	}
	return from, to, nil
}

// fitting returns the view, with longer periods where a chart has no room for all of
// them.
func (v view) fitting() (view, error) {
	granularities := rollup.Granularities()
	for len(granularities) > 0 && granularities[0] != v.By {
		granularities = granularities[1:]
	}
	for _, granularity := range granularities {
		if v.fits(granularity) {
			v.By = granularity
			return v, nil
		}
	}
	return view{}, problem.Invalid.New("At most 27 years can be shown at a time.").Titled("This range is too long")
}

// fits says whether the range has few enough periods, and few enough days.
func (v view) fits(granularity rollup.Granularity) bool {
	_, err := granularity.Starts(v.From, v.To, v.zone(), chart.MaxPeriods)
	if err == nil && granularity != rollup.Day {
		start, end := view{By: granularity, From: v.From, To: v.To, now: v.now}.bounds()
		_, err = rollup.Day.Starts(start, end, v.zone(), query.MaxPeriods)
	}
	return err == nil
}

func (v view) zone() *time.Location { return v.now.Location() }

// bounds returns the start of the first period, and the end of the last.
func (v view) bounds() (start, end time.Time) {
	return v.By.StartOf(v.From, v.zone()), v.By.Next(v.By.StartOf(v.To, v.zone()), v.zone())
}

// days counts the days of the range until today, or until the last one that has a log,
// which may be after today where a client's clock is ahead.
func (v view) days(now time.Time, perDay query.Summary) int {
	start, end := v.bounds()
	last := end.Add(-time.Microsecond)
	if now.Before(end) {
		last = now
		for _, day := range perDay.Periods {
			if day.EntryCount > 0 && day.Period.After(last) {
				last = day.Period
			}
		}
	}
	starts, err := rollup.Day.Starts(start, last, v.zone(), query.MaxPeriods)
	if err != nil {
		return 0 // it fits
	}
	return len(starts)
}

// periods counts the periods.
func (v view) periods() int {
	starts, err := v.By.Starts(v.From, v.To, v.zone(), chart.MaxPeriods)
	if err != nil {
		return 0 // it fits
	}
	return len(starts)
}

// before returns the range that ends where this one begins and has as many periods.
func (v view) before() (from, to time.Time) {
	start, _ := v.bounds()
	return v.By.Back(start, v.periods(), v.zone()), start.Add(-time.Microsecond).In(v.zone())
}

// link returns the address of the view.
func (v view) link() string { return "?" + v.parameters().Encode() }

// linkWith returns the address of the view with a parameter added or replaced.
func (v view) linkWith(name, value string) string {
	parameters := v.parameters()
	parameters.Set(name, value)
	return "?" + parameters.Encode()
}

func (v view) parameters() url.Values {
	parameters := url.Values{"by": {string(v.By)}}
	if !v.Moving {
		parameters.Set("from", v.FromDate())
		parameters.Set("to", v.ToDate())
	}
	if v.year != "" {
		parameters.Set("year", v.year)
	}
	return parameters
}

// FromDate is the first date of the range.
func (v view) FromDate() string { return v.From.Format(time.DateOnly) }

// ToDate is the last date of the range, which is included.
func (v view) ToDate() string { return v.To.In(v.zone()).Format(time.DateOnly) }

// choice is one of several links. Current says that it leads to this very page.
type choice struct {
	Name, Link string
	Current    bool
}

// Ranges are the ranges that end now.
func (v view) Ranges() []choice {
	var choices []choice
	for _, granularity := range rollup.Granularities() {
		moving := view{By: granularity, Moving: true, year: v.year}
		choices = append(choices, choice{
			Name: count(query.DefaultPeriods(granularity), granularity),
			Link: moving.link(), Current: v.Moving && v.By == granularity,
		})
	}
	return choices
}

// Switches show the same range by periods of each length that a chart has room for.
func (v view) Switches() []choice {
	var choices []choice
	for _, granularity := range rollup.Granularities() {
		if v.fits(granularity) {
			same := v
			same.By, same.Moving = granularity, false
			choices = append(choices, choice{Name: string(granularity), Link: same.link(), Current: v.By == granularity})
		}
	}
	return choices
}

// Previous is a link to the range before, or empty if that is before the year 1.
func (v view) Previous() string {
	from, to := v.before()
	if from.Year() < 1 {
		return ""
	}
	return view{By: v.By, From: from, To: to, now: v.now, year: v.year}.link()
}

// Next is a link to the range after, or empty if that hasn't begun.
func (v view) Next() string {
	_, start := v.bounds()
	if start.After(v.now) {
		return ""
	}
	end := start
	for range v.periods() {
		end = v.By.Next(end, v.zone())
	}
	last := end.Add(-time.Microsecond)
	return view{By: v.By, From: start.In(v.zone()), To: last.In(v.zone()), now: v.now, year: v.year}.link()
}

// Download returns the parameters of the same summary in a format, for the API.
func (v view) Download(format string) string {
	start, end := v.bounds()
	return "?" + url.Values{
		"granularity": {string(v.By)},
		"from":        {start.In(v.zone()).Format(time.DateOnly)},
		"to":          {end.Add(-time.Microsecond).In(v.zone()).Format(time.DateOnly)},
		"format":      {format},
	}.Encode()
}

// Name is the range in words.
func (v view) Name() string {
	start, end := v.bounds()
	return chart.Date(start.In(v.zone())) + " to " + chart.Date(end.Add(-time.Microsecond).In(v.zone()))
}
