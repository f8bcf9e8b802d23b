package dashboard

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/rollup/rebuild"
)

// The names of the forms.
const (
	rebuildName = "rebuild"
	rezoneName  = "rezone"
	purgeName   = "purge"
)

// jobForm is what one of the page's forms sends.
type jobForm struct {
	Name                     string
	TimeZone, User, From, To string
	Days                     string
	// Wrong says what is wrong with it.
	Wrong string
}

func parseJobForm(w http.ResponseWriter, r *http.Request, name string) (jobForm, error) {
	if err := readForm(w, r); err != nil {
		return jobForm{}, err
	}
	return jobForm{
		Name:     name,
		TimeZone: strings.TrimSpace(r.PostForm.Get("time_zone")),
		User:     strings.TrimSpace(r.PostForm.Get("user")),
		From:     r.PostForm.Get("from"),
		To:       r.PostForm.Get("to"),
		Days:     strings.TrimSpace(r.PostForm.Get("days")),
	}, nil
}

// scope returns the scope in the form. The text of its error begins with the name of what
// is wrong.
func (f jobForm) scope() (scope rebuild.Scope, err error) {
	if f.User != "" {
		user, err := uuid.Parse(f.User)
		if err != nil {
			return rebuild.Scope{}, errors.New("the learner must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
		}
		scope.Users = []uuid.UUID{user}
	}
	scope.From, scope.To, err = parseRange(map[string][]string{"from": {f.From}, "to": {f.To}})
	if err == nil && scope.Check() != nil {
		err = errors.New("from must not be after to")
	}
	return scope, err
}

// requestRebuild requests the rebuild in the form, and shows the page again.
func (p *Pages) requestRebuild(w http.ResponseWriter, r *http.Request) error {
	form, err := parseJobForm(w, r, rebuildName)
	if err != nil {
		return err
	}
	return p.requestJob(w, r, form, rebuild.Args{DryRun: r.PostForm.Get("action") != "rebuild"})
}

// requestRezone requests the re-zone in the form, and shows the page again.
func (p *Pages) requestRezone(w http.ResponseWriter, r *http.Request) error {
	form, err := parseJobForm(w, r, rezoneName)
	if err != nil {
		return err
	}
	zone, err := p.Operations.Zones.Load(form.TimeZone)
	if err != nil {
		form.Wrong = "The time zone " + err.Error() + "."
		return p.showOperator(w, r, form)
	}
	return p.requestJob(w, r, form, rebuild.Args{TimeZone: zone.String()})
}

// requestPurge requests the purge in the form, and shows the page again.
func (p *Pages) requestPurge(w http.ResponseWriter, r *http.Request) error {
	form, err := parseJobForm(w, r, purgeName)
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(form.Days)
	if err != nil {
		days = 0 // which are too few, too
	}
	if err := rebuild.CheckPurgeDays(days); err != nil {
		form.Wrong = "The age " + err.Error() + "."
		return p.showOperator(w, r, form)
	}
	return p.requestJob(w, r, form, rebuild.Args{PurgeOlderThanDays: days, DryRun: r.PostForm.Get("action") != "purge"})
}

// requestJob requests a job with the scope in the form.
func (p *Pages) requestJob(w http.ResponseWriter, r *http.Request, form jobForm, args rebuild.Args) (err error) {
	args.Operator, args.Workers, args.MaxLogsPerSecond = true, 1, rebuild.DefaultPace
	if visitor := access.Of(r.Context()); visitor != nil {
		args.Requester = visitor.Caller.String()
	}
	if args.Scope, err = form.scope(); err != nil {
		form.Wrong = capital(err.Error()) + "."
		return p.showOperator(w, r, form)
	}
	if _, err := p.Jobs.Request(r.Context(), args); err != nil {
		return err
	}
	http.Redirect(w, r, "/admin#rebuilds", http.StatusSeeOther)
	return nil
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

// cancelWaiting cancels all rebuilds and re-zones that wait, and shows the page again.
func (p *Pages) cancelWaiting(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.Jobs.CancelWaiting(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/admin#rebuilds", http.StatusSeeOther)
	return nil
}
