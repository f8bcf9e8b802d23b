package dashboard

import (
	"net/http"
	"time"

	"learninglog/internal/chart"
	"learninglog/internal/etag"
	"learninglog/internal/language"
	"learninglog/query"
	"learninglog/rollup"
)

// badgePolicy lets a badge, if it is opened by itself, have its own style and nothing else.
const badgePolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// streakBadge answers with the badge of a learner's streak.
func (p *Pages) streakBadge(w http.ResponseWriter, r *http.Request) error {
	learner, err := learnerOf(r)
	if err != nil {
		return err
	}
	streaks, err := p.Reader.Streaks(r.Context(), learner, query.Clock{Now: time.Now()}, nil)
	if err != nil {
		return err
	}
	answerBadge(w, r, localeOf(r), chart.StreakBadge(localeOf(r), streaks))
	return nil
}

// calendarBadge answers with the badge of a learner's last 52 weeks.
func (p *Pages) calendarBadge(w http.ResponseWriter, r *http.Request) error {
	learner, err := learnerOf(r)
	if err != nil {
		return err
	}
	clock, err := p.Reader.Clock(r.Context(), learner, time.Now())
	if err != nil {
		return err
	}
	today := clock.Today()
	from := chart.CalendarBadgeFrom(today)
	days, err := p.Reader.Summary(r.Context(), query.SummaryRequest{
		UserID: learner, Granularity: rollup.Day, From: &from, To: &today, OnlyWithLogs: true,
	})
	if err != nil {
		return err
	}
	answerBadge(w, r, localeOf(r), chart.CalendarBadge(localeOf(r), days))
	return nil
}

// answerBadge sends a badge, or 304 where the client has it. By a share link, other sites may
// show it, and caches may keep it for some minutes.
func answerBadge(w http.ResponseWriter, r *http.Request, locale *language.Locale, badge []byte) {
	header := w.Header()
	header.Set("Content-Security-Policy", badgePolicy)
	header.Set("Cache-Control", "private, no-cache")
	tellLanguage(header, locale)
	if isShared(r) {
		header.Set("Cache-Control", "public, max-age=300")
		header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	tag := etag.Of(badge)
	if notModified(w, r, tag) {
		return
	}
	header.Set("ETag", tag) // to which compressing adds its suffix
	header.Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(badge) //nolint:gosec // it has numbers alone; a client that is gone needs no answer
}
