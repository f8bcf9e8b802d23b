package dashboard

import (
	"fmt"
	"html/template"
	"net/http"

	"github.com/google/uuid"

	"learninglog/internal/chart"
	"learninglog/query"
	"learninglog/rollup"
)

// logsPerPage is how many logs are listed at a time.
const logsPerPage = 20

// learnerPage is what a learner's page shows.
type learnerPage struct {
	layout

	UserID uuid.UUID
	View   view
	// Summary is the range, with the sums of the one before.
	Summary query.Summary
	// Chart and Figures show the range, as a picture and as the rows of a table.
	Chart, Figures template.HTML
	// Days is how many days of the range have begun, and ActiveDays how many of them
	// have a log. Best is the day with the most words.
	ActiveDays, Days int
	Best             *query.PeriodSummary
	Streaks          query.Streaks
	Hours            query.Hours
	// HoursChart and HoursFigures show the hours, as Chart and Figures do the range.
	HoursChart, HoursFigures template.HTML
	Year                     year
	Logs                     []shownLog
	// offset is that of the learner's clock.
	offset rollup.Offset
	// Newest and Older are links to pages of the list, or empty.
	Newest, Older string
	// PurgedBefore says from when logs aren't listed any more, or is empty. The list may still
	// have older pages.
	PurgedBefore string
	// FirstLog is a command line that posts the learner's first log, or empty if there
	// is one.
	FirstLog string
}

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
	layout := p.newLayout(r, "Learner "+request.userID.String())
	// A page without logs isn't cached: it has the address by which this client
	// reaches the service.
	if data.noLogs || !acceptsGzip(r) {
		return p.render(w, r, http.StatusOK, "learner", p.newLearnerPage(r, layout, request, data))
	}
	page, err := p.cache.Get(cacheKey(r, layout), data, func() (compressedPage, error) {
		page, err := p.execute("learner", p.newLearnerPage(r, layout, request, data))
		if err != nil {
			return compressedPage{}, err
		}
		return p.gzip.page(page)
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
func (p *Pages) newLearnerPage(r *http.Request, layout layout, request pageRequest, data pageData) learnerPage {
	page := learnerPage{
		layout:       layout,
		UserID:       request.userID,
		View:         request.view,
		Summary:      data.summary,
		Chart:        template.HTML(chart.Draw(layout.Locale, data.summary)), //nolint:gosec // it escapes what it writes
		Figures:      template.HTML(periodRows(layout.Locale, data.summary)), //nolint:gosec // so does this
		ActiveDays:   data.perDay.Active(),
		Days:         request.view.days(data.perDay),
		Streaks:      data.streaks,
		Hours:        data.hours,
		HoursChart:   template.HTML(chart.DrawHours(layout.Locale, data.hours)), //nolint:gosec // and this
		HoursFigures: template.HTML(hourRows(layout.Locale, data.hours)),        //nolint:gosec // and this
		Year:         newYear(layout.Locale, request.year, data.today.Time().Year(), data.year, request.view),
		Logs:         shownLogs(request, data),
		offset:       data.offset,
	}
	if best, ok := data.perDay.Best(); ok {
		page.Best = &best
	}
	if request.after != nil {
		page.Newest = request.view.link()
	}
	if data.logs.Next != nil {
		page.Older = request.view.linkWith("after", data.logs.Next.String())
	}
	if purged := data.logs.PurgedBefore; !purged.IsZero() && data.logs.Next == nil {
		page.PurgedBefore = moment(purged.In(data.offset.Location()))
	}
	if data.noLogs {
		page.FirstLog = p.postCommand(r, request.userID)
		page.Refresh = r.URL.RequestURI()
	}
	return page
}

// Clock says whose clock the page shows.
func (p learnerPage) Clock() string {
	return "Days and times are those of the learner's own clock, now UTC" + p.offset.String() + "."
}
