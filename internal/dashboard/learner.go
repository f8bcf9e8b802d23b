package dashboard

import (
	"fmt"
	"html/template"
	"net/http"

	"github.com/google/uuid"

	"learninglog/internal/chart"
	"learninglog/internal/language"
	"learninglog/learning"
	"learninglog/query"
)

// logsPerPage is how many logs are listed at a time.
const logsPerPage = 20

// learnerPage is what a learner's page shows.
type learnerPage struct {
	layout

	UserID uuid.UUID
	// Base is the address of the page, without parameters.
	Base  string
	Today today
	View  view
	// Range is the view's range in words, Heading says what its chart shows, and Column what a
	// period is. Switches and Ranges are links to other ranges.
	Range, Heading, Column string
	Switches, Ranges       []choice
	// Chart and Figures show the range, as a picture and as the rows of a table.
	Chart, Figures template.HTML
	// LastDay leads to the last day with a log, if the range has none, or is nil.
	LastDay *choice
	// Numbers sum up the range.
	Numbers []figure
	// HoursChart and HoursFigures show the hours, as Chart and Figures do the range.
	// HoursRange says of which logs they are.
	HoursChart, HoursFigures template.HTML
	HoursRange               string
	Year                     year
	Logs                     []shownLog
	// Newest and Older are links to pages of the list, or empty.
	Newest, Older string
	// PurgedBefore says from when logs aren't listed any more, or is empty. The list may still
	// have older pages.
	PurgedBefore string
	Settings     learning.Settings
	// Offset is that of the learner's clock.
	Offset string
	// FirstLog is a command line that posts the learner's first log, or empty if there
	// is one.
	FirstLog string
}

// figure is a number with its name, and perhaps something about it.
type figure struct{ Name, Value, About string }

const (
	// maxCacheBytes bounds the memory of all pages that are cached, maxCachedBytes that
	// of each.
	maxCacheBytes  = 32 << 20
	maxCachedBytes = 256 << 10
)

// learner answers with the page of a learner.
func (p *Pages) learner(w http.ResponseWriter, r *http.Request) error {
	request, err := p.parsePageRequest(r)
	if err != nil {
		return err
	}
	data, err := p.readPageData(r.Context(), request)
	if err != nil {
		return err
	}
	layout := p.newLayout(r, "")
	layout.Title = layout.LearnerName(request.userID, data.settings.DisplayName)
	// A page without logs isn't cached: it has the address by which this client
	// reaches the service.
	if data.noLogs || !acceptsGzip(r) {
		page, err := p.newLearnerPage(r, layout, request, data)
		if err != nil {
			return err
		}
		return p.render(w, r, http.StatusOK, "learner", page)
	}
	page, err := p.cache.Get(cacheKey(r, layout), data, func() (compressedPage, error) {
		page, err := p.newLearnerPage(r, layout, request, data)
		if err != nil {
			return compressedPage{}, err
		}
		written, err := p.execute("learner", page)
		if err != nil {
			return compressedPage{}, err
		}
		return p.gzip.page(written)
	})
	if err != nil {
		return err
	}
	tellLanguage(w.Header(), layout)
	page.answer(w, r)
	return nil
}

// cacheKey tells apart the pages that are made from the same data: by their addresses, which
// have no spaces, and by their layout, which is the visitor's.
func cacheKey(r *http.Request, visitors layout) string {
	return fmt.Sprintf("%s %#v", r.URL.RequestURI(), visitors)
}

// newLearnerPage makes the requested page from its data.
func (p *Pages) newLearnerPage(r *http.Request, layout layout, request pageRequest, data pageData) (page learnerPage, err error) {
	l, view := layout.Locale, request.view
	summary, err := data.days.Summary(query.SummaryRequest{
		UserID: request.userID, Granularity: view.By, From: new(view.first()), To: new(view.last()), Compare: true,
	})
	if err != nil {
		return learnerPage{}, err
	}
	streaks := data.days.Streaks(data.today, data.settings.FreezeDays)
	page = learnerPage{
		layout:       layout,
		UserID:       request.userID,
		Base:         base(r, request.userID),
		View:         view,
		Range:        view.name(l),
		Heading:      textsOf(l, view.By).heading,
		Column:       textsOf(l, view.By).column,
		Switches:     view.switches(l),
		Ranges:       view.ranges(l),
		Chart:        template.HTML(chart.Draw(l, summary, chartOptions(view, data.settings.Goal))), //nolint:gosec // it escapes what it writes
		Figures:      template.HTML(periodRows(l, summary)),                                         //nolint:gosec // so does this
		HoursChart:   template.HTML(chart.DrawHours(l, data.hours)),                                 //nolint:gosec // and this
		HoursFigures: template.HTML(hourRows(l, data.hours)),                                        //nolint:gosec // and this
		HoursRange:   view.name(l),
		Logs:         shownLogs(l, request, data),
		Settings:     data.settings,
		Offset:       data.offset.String(),
	}
	if data.hours.HasMore {
		page.HoursRange = l.Text("hours.of_latest", "logs", data.hours.Totals().EntryCount, "range", page.HoursRange)
	}
	if page.Today, err = newToday(l, data.today, data.settings, data.days, streaks); err != nil {
		return learnerPage{}, err
	}
	if page.Numbers, err = newFigures(l, view, data.days, summary, streaks); err != nil {
		return learnerPage{}, err
	}
	if page.Year, err = newYear(l, request.year, data.days, view); err != nil {
		return learnerPage{}, err
	}
	if summary.Totals.EntryCount == 0 && streaks.LastDay != nil {
		page.LastDay = &choice{Name: l.Date(*streaks.LastDay), Link: view.ofDay(*streaks.LastDay).Link()}
	}
	page.addLinks(request, data)
	if data.noLogs && !layout.Shared {
		page.FirstLog = p.postCommand(r, request.userID)
		page.Refresh = r.URL.RequestURI()
	}
	return page, nil
}

// chartOptions are those of the chart of a view, for a learner with a goal.
func chartOptions(v view, goal learning.Goal) chart.Options {
	options := chart.Options{Averages: v.WithAverages, Unfinished: new(v.By.Start(v.today))}
	if goal.Per == v.By {
		options.Goal = goal.Words
	}
	return options
}

// newFigures sums up a range.
func newFigures(l *language.Locale, v view, all query.Days, summary query.Summary, streaks query.Streaks) ([]figure, error) {
	days := all.Between(v.first(), v.last())
	change, err := newChange(l, v, all, summary)
	if err != nil {
		return nil, err
	}
	figures := []figure{
		{l.Text("figure.words"), l.Number(summary.Totals.TotalWordCount), change},
		{l.Text("figure.words_per_log"), l.Decimal(summary.Totals.Average()), l.Text("logs", "count", summary.Totals.EntryCount)},
		{l.Text("figure.active_days"), l.Number(int64(len(days))), l.Text("figure.of_days", "days", v.length(days))},
	}
	if best, ok := days.Best(); ok {
		figures = append(figures, figure{l.Text("figure.best_day"), l.Number(best.TotalWordCount), l.Date(best.Period)})
	}
	if longest := streaks.Longest; longest.Days > 0 {
		figures = append(figures, figure{
			l.Text("figure.longest_streak"), l.Text("days", "count", longest.Days), rangeName(l, longest.First, longest.Last),
		})
	}
	totals, err := all.Totals()
	if err != nil {
		return nil, err
	}
	return append(figures, figure{
		l.Text("figure.altogether"), l.Text("words", "count", totals.TotalWordCount), l.Text("figure.on_days", "days", len(all)),
	}), nil
}

// addLinks adds the links to pages of the list of logs, and says where it ends.
func (page *learnerPage) addLinks(request pageRequest, data pageData) {
	if request.after != nil {
		page.Newest = request.view.Link()
	}
	if data.logs.Next != nil {
		page.Older = request.view.linkWith("after", data.logs.Next.String())
	}
	if purged := data.logs.PurgedBefore; !purged.IsZero() && data.logs.Next == nil {
		page.PurgedBefore = page.Moment(purged.In(data.offset.Location()))
	}
}
