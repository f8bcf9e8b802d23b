package dashboard

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/chart"
	"learninglog/internal/metrics"
	"learninglog/internal/problem"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// Jobs is the queue of rebuilds, a [rebuild.Jobs].
type Jobs interface {
	Request(ctx context.Context, args rebuild.Args) (rebuild.Requested, error)
	Cancel(ctx context.Context, id int64) error
	List(ctx context.Context, limit int) ([]rebuild.Job, error)
	Verifications(ctx context.Context) ([]rebuild.Verification, error)
}

// Operations is what the operators' page shows, besides the rollups. Every field must
// be set.
type Operations struct {
	// Version is that of the program.
	Version string
	// Ready returns nil if the database can be reached and is migrated, or says why not.
	Ready func(context.Context) error
	// Recent knows the metrics of this process.
	Recent *metrics.Recent
}

// operatorPage is what the operators' page shows.
type operatorPage struct {
	layout

	Version string
	// NotReady is why requests can't be served, or empty.
	NotReady      string
	Now           metrics.Gauges
	Rates         []metrics.Rates
	Verifications []rebuild.Verification
	Rebuilds      []shownRebuild
	// Form is the submitted form, and Wrong says what is wrong with it.
	Form  rebuildForm
	Wrong string
}

// Drifted returns how many rows are known to have drifted and weren't repaired since.
func (p operatorPage) Drifted() int64 {
	var rows int64
	for _, verification := range p.Verifications {
		rows = max(rows, verification.RowsDrifted-verification.RowsRepaired)
	}
	return rows
}

const shownRebuilds = 10

func (p *Pages) operator(w http.ResponseWriter, r *http.Request) error {
	return p.showOperator(w, r, http.StatusOK, rebuildForm{}, "")
}

func (p *Pages) showOperator(w http.ResponseWriter, r *http.Request, status int, form rebuildForm, wrong string) error {
	page := operatorPage{
		layout:  layout{Title: "Operations"},
		Version: p.Operations.Version,
		Form:    form,
		Wrong:   wrong,
		Now:     p.Operations.Recent.Gauges(),
	}
	var err error
	if page.Rates, err = p.Operations.Recent.Rates(time.Now()); err != nil {
		return err
	}
	if err := p.Operations.Ready(r.Context()); err != nil {
		page.NotReady, page.Refresh = "The database can't be reached, or is not migrated. The reason is in the service's log.", "/admin"
		p.Logger.WarnContext(r.Context(), "not ready", slog.Any("error", err))
		return p.render(w, r, http.StatusServiceUnavailable, "operator", page)
	}
	if page.Verifications, err = p.Jobs.Verifications(r.Context()); err != nil {
		return err
	}
	rebuilds, err := p.Jobs.List(r.Context(), shownRebuilds)
	if err != nil {
		return err
	}
	for _, job := range rebuilds {
		page.Rebuilds = append(page.Rebuilds, shownRebuild{job})
		if !job.Ended() && wrong == "" { // otherwise the message would disappear with the reload
			page.Refresh = "/admin"
		}
	}
	return p.render(w, r, status, "operator", page)
}

// shownRebuild is a rebuild with the texts that the page shows.
type shownRebuild struct{ rebuild.Job }

// What is the kind of the rebuild.
func (s shownRebuild) What() string {
	switch {
	case s.Args.Routine:
		return "routine verification"
	case s.Args.DryRun:
		return "verify"
	default:
		return "rebuild"
	}
}

// Scope describes the scope of the rebuild.
func (s shownRebuild) Scope() string {
	scope, parts := s.Args.Scope, []string{}
	switch {
	case s.Args.Routine:
		return "a sample, and whoever was active"
	case len(scope.Users) == 1:
		parts = append(parts, "learner "+scope.Users[0].String())
	case len(scope.Users) > 1:
		parts = append(parts, count(len(scope.Users), "learner"))
	default:
		parts = append(parts, "everybody")
	}
	if scope.RecordedSince != nil {
		parts = append(parts, "with logs recorded since "+scope.RecordedSince.UTC().Format(time.RFC3339))
	}
	if scope.From != nil {
		parts = append(parts, "from "+chart.Date(scope.From.UTC()))
	}
	if scope.To != nil {
		parts = append(parts, "to "+chart.Date(scope.To.UTC()))
	}
	return strings.Join(parts, ", ")
}

// Shown is the state in words.
func (s shownRebuild) Shown() string {
	switch {
	case s.IsBeingCancelled():
		return "being cancelled"
	case s.State == rebuild.Available, s.State == rebuild.Pending, s.State == rebuild.Scheduled:
		return "waiting"
	case s.State == rebuild.Retryable:
		return "waiting to go on"
	case s.State == rebuild.Discarded:
		return "given up"
	default:
		return string(s.State)
	}
}

// rebuildForm is what the page's form sends.
type rebuildForm struct{ User, From, To string }

// requestRebuild requests the rebuild in the form, and shows the page again.
func (p *Pages) requestRebuild(w http.ResponseWriter, r *http.Request) error {
	const most = 16 << 10
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return problem.Unreadable.New("Go back, and send it again.").Titled("The form can't be read")
	}
	form := rebuildForm{
		User: strings.TrimSpace(r.PostForm.Get("user")),
		From: r.PostForm.Get("from"),
		To:   r.PostForm.Get("to"),
	}
	args := rebuild.Args{
		DryRun: r.PostForm.Get("action") != "rebuild", Workers: 1, MaxLogsPerSecond: rebuild.DefaultPace,
	}
	var err error
	if args.Scope, err = p.parseScope(form); err == nil {
		_, err = p.Jobs.Request(r.Context(), args)
	}
	if errors.Is(err, rollup.ErrEmptyRange) {
		err = wrongParameter("From", "must not be after to")
	}
	if wrong, ok := errors.AsType[*problem.Problem](err); ok {
		return p.showOperator(w, r, http.StatusUnprocessableEntity, form, wrong.Detail)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/admin#rebuilds", http.StatusSeeOther)
	return nil
}

func (p *Pages) parseScope(form rebuildForm) (scope rebuild.Scope, err error) {
	if form.User != "" {
		user, err := uuid.Parse(form.User)
		if err != nil {
			return rebuild.Scope{}, problem.Invalid.New("The learner must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22.")
		}
		scope.Users = []uuid.UUID{user}
	}
	from, to, err := p.parseRange(map[string][]string{"from": {form.From}, "to": {form.To}})
	if err != nil {
		return rebuild.Scope{}, err
	}
	if from != nil {
		scope.From = &from.At
	}
	if to != nil {
		scope.To = new(to.Last(p.Zone))
	}
	return scope, nil
}

// cancelRebuild cancels a rebuild, and shows the page again.
func (p *Pages) cancelRebuild(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err == nil {
		err = p.Jobs.Cancel(r.Context(), id)
	} else {
		err = rebuild.ErrNotFound
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/admin#rebuilds", http.StatusSeeOther)
	return nil
}
