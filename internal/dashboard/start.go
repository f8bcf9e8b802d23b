package dashboard

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"learninglog/internal/chart"
	"learninglog/query"
)

// startPage is what the start page shows.
type startPage struct {
	layout

	Overview overview
	// Asked is what was searched for, Wrong what is wrong with it.
	Asked, Wrong string
	// Post is how to post a log, on a command line; FirstLog is the same if there is
	// none yet.
	Post, FirstLog string
}

func (p *Pages) start(w http.ResponseWriter, r *http.Request) error {
	return p.showStart(w, r, http.StatusOK, "", "")
}

// findUser leads to a learner's page.
func (p *Pages) findUser(w http.ResponseWriter, r *http.Request) error {
	asked := strings.TrimSpace(r.URL.Query().Get("id"))
	userID, err := uuid.Parse(asked)
	if err != nil {
		return p.showStart(w, r, http.StatusUnprocessableEntity, asked,
			"A learner is named by a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22.")
	}
	http.Redirect(w, r, "/users/"+userID.String(), http.StatusSeeOther) //nolint:gosec // a UUID leads nowhere else
	return nil
}

func (p *Pages) showStart(w http.ResponseWriter, r *http.Request, status int, asked, wrong string) error {
	overview, err := p.overview.get(r.Context(), p.readOverview)
	if err != nil {
		return err
	}
	page := startPage{
		layout:   layout{Title: "What was learned"},
		Overview: overview,
		Asked:    asked,
		Wrong:    wrong,
		Post:     postCommand(r, overview.NewUser),
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
	Chart     template.HTML
	Active    []query.ActiveUser
	// Chart is empty, and ActiveUnknown true, where it took too long to find out.
	ActiveUnknown bool
	// HasLogs says whether there is any log, however old.
	HasLogs bool
	// NewUser is a user that isn't there yet, for examples.
	NewUser uuid.UUID
}

func (o overview) isEmpty() bool {
	return o.Chart != "" && !o.ActiveUnknown && len(o.Active) == 0 && o.Everybody.Totals.EntryCount == 0
}

const (
	overviewDays = 30
	activeUsers  = 10
	// overviewTimeout bounds what an overview may take of the database, and
	// overviewLasts how often it may.
	overviewTimeout = 3 * time.Second // each for sums and for users
	overviewLasts   = 10 * time.Second
	emptinessLasts  = time.Second
)

// readOverview reads the overview. What takes too long is left out, but a database
// that doesn't even answer whether there is a log is away.
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
	everybody, known, err := inTime(ctx, func(ctx context.Context) (query.Summary, error) {
		return p.Reader.EverybodyPerDay(ctx, now.AddDate(0, 0, 1-overviewDays), now, p.Zone)
	})
	if err != nil {
		return overview{}, err
	}
	if known {
		read.Everybody, read.Chart = everybody, template.HTML(chart.Draw(everybody)) //nolint:gosec // it escapes what it writes
	}
	read.Active, known, err = inTime(ctx, func(ctx context.Context) ([]query.ActiveUser, error) {
		return p.Reader.ActiveUsers(ctx, now, activeUsers)
	})
	read.ActiveUnknown = !known
	return read, err
}

// inTime returns what read does; or false where that takes longer than it may.
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

// overviews keeps the last overview for a while. It costs more than any other page,
// the more the more users there are; and says as of when it is.
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
		// Others wait for it too, so it isn't over when its first visitor leaves.
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
