package dashboard

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

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
	Chart           template.HTML
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

// learner shows what a user has learned.
func (p *Pages) learner(w http.ResponseWriter, r *http.Request) error {
	userID, err := parseUserID(chi.URLParam(r, "user_id"))
	if err != nil {
		return err
	}
	now := time.Now().In(p.Zone)
	parameters := r.URL.Query()
	view, err := p.parseView(parameters, now)
	if err != nil {
		return err
	}
	page := learnerPage{layout: layout{Title: "Learner " + userID.String()}, UserID: userID, View: view}
	if err := p.readRange(r.Context(), &page, now); err != nil {
		return err
	}
	if err := p.readHabits(r.Context(), &page, parameters, now); err != nil {
		return err
	}
	if err := p.readLogs(r.Context(), &page, parameters); err != nil {
		return err
	}
	if page.Streaks.ActiveDays == 0 && len(page.Logs) == 0 {
		// There may be some that are older than the range, or of tomorrow.
		one, err := p.Reader.Logs(r.Context(), query.LogsRequest{UserID: userID, Limit: 1})
		if err != nil {
			return err
		}
		if len(one.Logs) == 0 {
			page.FirstLog = postCommand(r, userID)
			page.Refresh = r.URL.RequestURI()
		}
	}
	return p.render(w, r, http.StatusOK, "learner", page)
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

// readRange reads the periods of the range, and of the one before.
func (p *Pages) readRange(ctx context.Context, page *learnerPage, now time.Time) (err error) {
	request := query.SummaryRequest{
		UserID: page.UserID, Granularity: page.View.By, From: page.View.From, To: page.View.To, Zone: p.Zone,
	}
	if page.Summary, err = p.Reader.Summary(ctx, request); err != nil {
		return err
	}
	page.Chart = template.HTML(chart.Draw(page.Summary)) //nolint:gosec // it escapes what it writes

	request.From, request.To = page.View.before()
	if page.Before, err = p.Reader.Summary(ctx, request); err != nil {
		return err
	}
	start, end := page.View.bounds()
	days, err := p.Reader.Summary(ctx, query.SummaryRequest{
		UserID: page.UserID, Granularity: rollup.Day, From: start, To: end.Add(-time.Microsecond), Zone: p.Zone,
		OnlyWithLogs: true,
	})
	if err != nil {
		return err
	}
	page.ActiveDays, page.Days = days.Active(), page.View.days(now, days)
	if best, ok := days.Best(); ok {
		page.Best = &best
	}
	return nil
}

// readHabits reads the streaks, and the year that the calendar shows.
func (p *Pages) readHabits(ctx context.Context, page *learnerPage, parameters url.Values, now time.Time) (err error) {
	if page.Streaks, err = p.Reader.Streaks(ctx, page.UserID, now, p.Zone); err != nil {
		return err
	}
	number := now.Year()
	if text := parameters.Get("year"); text != "" {
		const first, last = 1, 9998
		if number, err = strconv.Atoi(text); err != nil || number < first || number > last {
			return wrongParameter("year", "must be a year from 1 to 9998")
		}
	}
	days, err := p.Reader.Summary(ctx, query.YearOf(page.UserID, number, p.Zone))
	if err != nil {
		return err
	}
	page.Year = newYear(number, now.Year(), days, page.View)
	return nil
}

// readLogs reads a page of the list of logs in the range.
func (p *Pages) readLogs(ctx context.Context, page *learnerPage, parameters url.Values) error {
	start, end := page.View.bounds()
	request := query.LogsRequest{UserID: page.UserID, From: &start, Until: &end, Limit: logsPerPage}
	if text := parameters.Get("after"); text != "" {
		cursor, err := query.ParseCursor(text)
		if err != nil {
			return wrongParameter("after", "must be what a page of this list gave out")
		}
		request.After = &cursor
		page.Newest = page.View.link()
	}
	listed, err := p.Reader.Logs(ctx, request)
	if err != nil {
		return err
	}
	page.Logs = listed.Logs
	if listed.Next != nil {
		page.Older = page.View.linkWith("after", listed.Next.String())
	}
	return nil
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
