package dashboard

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"learninglog/internal/chart"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
)

// startPage is what the start page shows.
type startPage struct {
	layout

	Overview overview
	// Chart is of everybody, or empty if their words aren't known.
	Chart template.HTML
	// Search is the text that was searched for, Wrong what is wrong with it.
	Search, Wrong string
	// Post is a command line that posts a log. FirstLog is the same if there is no log
	// to show, or else empty.
	Post, FirstLog string
}

func (p *Pages) start(w http.ResponseWriter, r *http.Request) error {
	if home := homeOf(r); home != "" {
		http.Redirect(w, r, home, http.StatusSeeOther) //nolint:gosec // a page of this site
		return nil
	}
	return p.showStart(w, r, http.StatusOK, "", "")
}

// findUser leads to a learner's page.
func (p *Pages) findUser(w http.ResponseWriter, r *http.Request) error {
	if home := homeOf(r); home != "" {
		http.Redirect(w, r, home, http.StatusSeeOther) //nolint:gosec // a page of this site
		return nil
	}
	search := strings.TrimSpace(r.URL.Query().Get("id"))
	userID, err := uuid.Parse(search)
	if err != nil {
		wrong := problem.NotALearner(search).Detail
		if l := localeOf(r); !l.IsEnglish() {
			wrong = l.Text("start.wrong_id", "example", "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
		}
		return p.showStart(w, r, http.StatusUnprocessableEntity, search, wrong)
	}
	http.Redirect(w, r, "/users/"+userID.String(), http.StatusSeeOther) //nolint:gosec // a UUID leads nowhere else
	return nil
}

// showStart shows what everybody learned, to whoever is limited to no learner: to others it
// is none of their business.
func (p *Pages) showStart(w http.ResponseWriter, r *http.Request, status int, search, wrong string) error {
	overview, err := p.overview.get(r.Context(), p.readOverview)
	if err != nil {
		return err
	}
	page := startPage{
		layout:   p.newLayout(r, localeOf(r).Text("start.title")),
		Overview: overview,
		Search:   search,
		Wrong:    wrong,
		Post:     p.postCommand(r, overview.NewUser),
	}
	if overview.IsKnown {
		page.Chart = template.HTML(chart.Draw(page.Locale, overview.Everybody, chart.Options{})) //nolint:gosec // it escapes what it writes
	}
	if overview.isEmpty() {
		page.FirstLog, page.Refresh = page.Post, "/"
	}
	return p.render(w, r, status, "start", page)
}

// overview is what everybody has learned lately.
type overview struct {
	At        time.Time
	Everybody query.Summary
	// IsKnown says that Everybody is: reading it may take too long.
	IsKnown bool
	Active  []query.ActiveUser
	// ActiveUnknown says that reading Active took too long.
	ActiveUnknown bool
	// HasLogs says whether there is any log, however old.
	HasLogs bool
	// NewUser is a user without logs, for examples.
	NewUser uuid.UUID
}

// Days is how many of them are shown.
func (overview) Days() int { return overviewDays }

func (o overview) isEmpty() bool {
	return o.IsKnown && !o.ActiveUnknown && len(o.Active) == 0 && o.Everybody.Totals.EntryCount == 0
}

const (
	overviewDays = 30
	activeUsers  = 10
	// overviewTimeout bounds each of the two expensive reads of an overview,
	// overviewLasts is how long an overview is shown before it is read again, and
	// emptinessLasts how long an empty one is.
	overviewTimeout = 3 * time.Second
	overviewLasts   = 10 * time.Second
	emptinessLasts  = time.Second
)

// readOverview reads the overview. Sums and users that take too long, and sums that don't
// fit into a bigint, are left out. It
// fails if the database doesn't answer whether there is any log.
func (p *Pages) readOverview(ctx context.Context) (overview, error) {
	now := time.Now().In(p.Zone)
	read := overview{At: now, NewUser: p.newUser}
	has, err := p.Reader.HasLogs(ctx)
	if err != nil {
		return overview{}, err
	}
	if read.HasLogs = has; has {
		read.NewUser = uuid.New()
	}
	// Whoever is active has words, if they are read after it.
	active, known, err := inTime(ctx, func(ctx context.Context) ([]query.ActiveUser, error) {
		return p.Reader.ActiveUsers(ctx, now, activeUsers)
	})
	if err != nil {
		return overview{}, err
	}
	for i := range active {
		active[i].LastRecordedAt = active[i].LastRecordedAt.In(p.Zone)
	}
	read.Active, read.ActiveUnknown = active, !known
	everybody, known, err := inTime(ctx, func(ctx context.Context) (query.Summary, error) {
		return p.lastDays(ctx, rollup.DateOf(now))
	})
	if errors.Is(err, query.ErrSumTooLarge) { // a learner's corrupt row is no reason to keep the page from all others
		p.Logger.WarnContext(ctx, "rows of the rollup are corrupt: verify and rebuild", slog.Any("error", err))
		err = nil
	}
	if err != nil {
		return overview{}, err
	}
	read.Everybody, read.IsKnown = everybody, known
	return read, nil
}

// lastDays returns the sums of everybody's last days. They end tomorrow if somebody's
// clock is there already.
func (p *Pages) lastDays(ctx context.Context, today rollup.Date) (query.Summary, error) {
	days, err := p.Reader.EverybodyPerDay(ctx, today-overviewDays+1, today+1)
	if err != nil {
		return query.Summary{}, err
	}
	if begun := days.Periods[overviewDays].EntryCount > 0; begun {
		_, days, err = days.Split(today - overviewDays + 2)
	} else {
		days, _, err = days.Split(today + 1)
	}
	return days, err
}

// inTime returns the result of read, or false if that takes longer than
// [overviewTimeout].
func inTime[T any](ctx context.Context, read func(context.Context) (T, error)) (found T, known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, overviewTimeout)
	defer cancel()
	found, err = read(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		var none T
		return none, false, nil
	}
	return found, err == nil, err
}

// overviews has the last overview, which is shown for a while: reading it costs more
// than any other page, and more with every user. The page says as of when it is.
type overviews struct {
	mu      sync.Mutex
	last    overview
	reading singleflight.Group
}

func (o *overviews) get(ctx context.Context, read func(context.Context) (overview, error)) (overview, error) {
	o.mu.Lock()
	last := o.last
	o.mu.Unlock()
	lasts := overviewLasts
	if last.isEmpty() {
		lasts = emptinessLasts
	}
	if time.Since(last.At) < lasts {
		return last, nil
	}
	now, err, _ := o.reading.Do("", func() (any, error) {
		// Others wait for it too, so it goes on when its first visitor leaves.
		now, err := read(context.WithoutCancel(ctx))
		if err == nil {
			o.mu.Lock()
			o.last = now
			o.mu.Unlock()
		}
		return now, err
	})
	if err != nil {
		return overview{}, err
	}
	return now.(overview), nil //nolint:forcetypeassert,errcheck // see above
}
