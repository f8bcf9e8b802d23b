package dashboard

import (
	"context"
	"html/template"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/go-chi/chi/v5"
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
	// Summary is the range, and Before as many periods before it.
	Summary, Before query.Summary
	// Chart and Figures show the range, as a picture and as the rows of a table.
	Chart, Figures template.HTML
	// ActiveDays and Days count those of the range, the latter until today. Best is
	// the day with the most words.
	ActiveDays, Days int
	Best             *query.PeriodSummary
	Streaks          query.Streaks
	Year             year
	Logs             []query.Log
	// Newest and Older are links to pages of the list, or empty.
	Newest, Older string
	// FirstLog is how to post the first one, on a command line; empty if there is one.
	FirstLog string
}

const (
	// maxCacheBytes bounds the memory of all pages that are cached, maxCachedBytes that
	// of each.
	maxCacheBytes  = 32 << 20
	maxCachedBytes = 256 << 10
)

// learner shows what a user has learned.
func (p *Pages) learner(w http.ResponseWriter, r *http.Request) error {
	asked, err := p.parseAsked(r, time.Now().In(p.Zone))
	if err != nil {
		return err
	}
	found, err := p.read(r.Context(), asked)
	if err != nil {
		return err
	}
	// A page without logs says by which address this client reaches the service.
	if found.none || !acceptsGzip(r) {
		return p.render(w, r, http.StatusOK, "learner", newLearnerPage(r, asked, found))
	}
	page, err := p.cache.Get(r.URL.RequestURI(), found, func() (compressedPage, error) {
		page, err := p.execute("learner", newLearnerPage(r, asked, found))
		if err != nil {
			return compressedPage{}, err
		}
		return newCompressedPage(page)
	})
	if err != nil {
		return err
	}
	page.answer(w, r)
	return nil
}

// asked is which learner's page is meant.
type asked struct {
	userID uuid.UUID
	view   view
	year   int
	after  *query.Cursor
	now    time.Time
}

func (p *Pages) parseAsked(r *http.Request, now time.Time) (a asked, err error) {
	a = asked{year: now.Year(), now: now}
	if a.userID, err = parseUserID(chi.URLParam(r, "user_id")); err != nil {
		return asked{}, err
	}
	parameters := r.URL.Query()
	if a.view, err = p.parseView(parameters, now); err != nil {
		return asked{}, err
	}
	if text := parameters.Get("year"); text != "" {
		const first, last = 1, 9998
		if a.year, err = strconv.Atoi(text); err != nil || a.year < first || a.year > last {
			return asked{}, wrongParameter("year", "must be a year from 1 to 9998")
		}
	}
	if text := parameters.Get("after"); text != "" {
		cursor, err := query.ParseCursor(text)
		if err != nil {
			return asked{}, wrongParameter("after", "must be what a page of this list gave out")
		}
		a.after = &cursor
	}
	return a, nil
}

func parseUserID(text string) (uuid.UUID, error) {
	userID, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return uuid.Nil, &problem{
			http.StatusNotFound, "There is no such learner",
			"Learners are named by a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22.",
		}
	}
	return userID, nil
}

// learned is what a learner's page is made from.
type learned struct {
	today time.Time // the start of the day
	// summary is the range, before as many periods before it, perDay the range by
	// days, year the days of the year.
	summary, before, perDay, year query.Summary
	streaks                       query.Streaks
	logs                          query.LogsPage
	// none says that the user has no log at all.
	none bool
}

// Equal says whether the same page would be made from both.
func (l learned) Equal(other learned) bool {
	return l.today.Equal(other.today) && l.summary.Equal(other.summary) && l.before.Equal(other.before) &&
		l.perDay.Equal(other.perDay) && l.year.Equal(other.year) && l.none == other.none &&
		reflect.DeepEqual(l.streaks, other.streaks) && reflect.DeepEqual(l.logs, other.logs)
}

// Size is about how many bytes it takes in memory.
func (l learned) Size() int {
	return l.summary.Size() + l.before.Size() + l.perDay.Size() + l.year.Size() +
		cap(l.logs.Logs)*int(unsafe.Sizeof(query.Log{}))
}

// read reads what the page is made from: all but the logs from the rollups.
func (p *Pages) read(ctx context.Context, a asked) (l learned, err error) {
	l.today = rollup.Day.StartOf(a.now, p.Zone)
	request := query.SummaryRequest{
		UserID: a.userID, Granularity: a.view.By, From: a.view.From, To: a.view.To, Zone: p.Zone,
	}
	if l.summary, err = p.Reader.Summary(ctx, request); err != nil {
		return learned{}, err
	}
	request.From, request.To = a.view.before()
	if l.before, err = p.Reader.Summary(ctx, request); err != nil {
		return learned{}, err
	}
	start, end := a.view.bounds()
	l.perDay = l.summary
	if a.view.By != rollup.Day {
		l.perDay, err = p.Reader.Summary(ctx, query.SummaryRequest{
			UserID: a.userID, Granularity: rollup.Day, From: start, To: end.Add(-time.Microsecond), Zone: p.Zone,
			OnlyWithLogs: true,
		})
		if err != nil {
			return learned{}, err
		}
	}
	if l.streaks, err = p.Reader.Streaks(ctx, a.userID, a.now, p.Zone); err != nil {
		return learned{}, err
	}
	if l.year, err = p.Reader.Summary(ctx, query.YearOf(a.userID, a.year, p.Zone)); err != nil {
		return learned{}, err
	}
	l.logs, err = p.Reader.Logs(ctx, query.LogsRequest{
		UserID: a.userID, From: &start, Until: &end, After: a.after, Limit: logsPerPage,
	})
	if err != nil {
		return learned{}, err
	}
	if l.streaks.ActiveDays == 0 && len(l.logs.Logs) == 0 {
		// There may be some outside the range, and of tomorrow.
		one, err := p.Reader.Logs(ctx, query.LogsRequest{UserID: a.userID, Limit: 1})
		if err != nil {
			return learned{}, err
		}
		l.none = len(one.Logs) == 0
	}
	return l, nil
}

// newLearnerPage says how to show what was read.
func newLearnerPage(r *http.Request, a asked, l learned) learnerPage {
	page := learnerPage{
		layout:     layout{Title: "Learner " + a.userID.String()},
		UserID:     a.userID,
		View:       a.view,
		Summary:    l.summary,
		Before:     l.before,
		Chart:      template.HTML(chart.Draw(l.summary)), //nolint:gosec // it escapes what it writes
		Figures:    template.HTML(figures(l.summary)),    //nolint:gosec // so does this
		ActiveDays: l.perDay.Active(),
		Days:       a.view.days(a.now, l.perDay),
		Streaks:    l.streaks,
		Year:       newYear(a.year, a.now.Year(), l.year, a.view),
		Logs:       l.logs.Logs,
	}
	if best, ok := l.perDay.Best(); ok {
		page.Best = &best
	}
	if a.after != nil {
		page.Newest = a.view.link()
	}
	if l.logs.Next != nil {
		page.Older = a.view.linkWith("after", l.logs.Next.String())
	}
	if l.none {
		page.FirstLog = postCommand(r, a.userID)
		page.Refresh = r.URL.RequestURI()
	}
	return page
}

func wrongParameter(name, what string) error {
	return &problem{http.StatusUnprocessableEntity, "This address isn't right", "In it, " + name + " " + what + "."}
}

// Change is how many more words there were than in the range before, in per cent of
// that; or nil where that had none.
func (p learnerPage) Change() *float64 {
	before := p.Before.Totals.TotalWordCount
	if before <= 0 {
		return nil
	}
	const whole = 100
	return new(whole * (float64(p.Summary.Totals.TotalWordCount)/float64(before) - 1))
}

// postCommand is a command line that posts a log of a user, the same one each time.
func postCommand(r *http.Request, userID uuid.UUID) string {
	return "curl " + origin(r) + "/v1/learning-logs -H 'Content-Type: application/json' -d '" +
		`{"request_id":"` + uuid.NewSHA1(userID, []byte("first log")).String() + `","user_id":"` + userID.String() + `","word_count":12}'`
}

// origin returns where the visitor reaches the service, fit for a command line.
func origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	isOdd := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(".-:[]", c)
	}
	if host == "" || strings.ContainsFunc(host, isOdd) {
		host = "localhost"
	}
	return scheme + "://" + host
}
