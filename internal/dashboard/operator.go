package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/metrics"
	"learninglog/rollup/rebuild"
)

// Jobs is the queue of rebuilds, a [rebuild.Jobs].
type Jobs interface {
	Request(ctx context.Context, args rebuild.Args) (rebuild.Requested, error)
	Erase(ctx context.Context, users []uuid.UUID) (rebuild.Requested, error)
	Cancel(ctx context.Context, id int64) error
	Waiting(ctx context.Context) (int, error)
	CancelWaiting(ctx context.Context) (cancelled int, err error)
	List(ctx context.Context, limit int) ([]rebuild.Job, error)
	Verifications(ctx context.Context) ([]rebuild.Verification, error)
	Queues(ctx context.Context) ([]rebuild.Queue, error)
	Resume(ctx context.Context, queue string) error
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
	// Zones knows the time zones.
	Zones Zones
}

// Zones knows the time zones by name, a [zones.Database]. The text of Load's error
// completes a sentence that begins with the name of the field.
type Zones interface {
	Load(name string) (*time.Location, error)
	Names() []string
}

// operatorPage is what the operators' page shows.
type operatorPage struct {
	layout

	Version string
	// NotReady is why requests can't be served, or empty.
	NotReady string
	// Paused are the queues that are paused.
	Paused        []rebuild.Queue
	Now           metrics.Gauges
	Trends        []trend
	Verifications []rebuild.Verification
	Rebuilds      []shownRebuild
	// Waiting is how many rebuilds and re-zones wait, shown or not.
	Waiting int
	// Rebuild, Rezone and Purge are the forms, as they were submitted.
	Rebuild, Rezone, Purge jobForm
	TimeZones              []string
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
	return p.showOperator(w, r, jobForm{})
}

// showOperator answers with the operators' page. A form that is wrong is shown again.
func (p *Pages) showOperator(w http.ResponseWriter, r *http.Request, wrong jobForm) error {
	page := operatorPage{
		layout:    p.newLayout(r, "Operations").inEnglish(),
		Version:   p.Operations.Version,
		Rebuild:   jobForm{Name: rebuildName},
		Rezone:    jobForm{Name: rezoneName},
		Purge:     jobForm{Name: purgeName},
		TimeZones: p.Operations.Zones.Names(),
		Now:       p.Operations.Recent.Gauges(),
	}
	status := http.StatusOK
	switch wrong.Name {
	case rebuildName:
		page.Rebuild, status = wrong, http.StatusUnprocessableEntity
	case rezoneName:
		page.Rezone, status = wrong, http.StatusUnprocessableEntity
	case purgeName:
		page.Purge, status = wrong, http.StatusUnprocessableEntity
	}
	minutes, err := p.Operations.Recent.Hour(time.Now())
	if err != nil {
		return err
	}
	if len(minutes) > 0 {
		page.Trends = trends(minutes)
	}
	if err := p.Operations.Ready(r.Context()); err != nil {
		page.NotReady, page.Refresh = "The database can't be reached, or is not migrated. The reason is in the service's log.", "/admin"
		p.Logger.WarnContext(r.Context(), "not ready", slog.Any("error", err))
		return p.render(w, r, http.StatusServiceUnavailable, "operator", page)
	}
	if page.Verifications, err = p.Jobs.Verifications(r.Context()); err != nil {
		return err
	}
	if page.Waiting, err = p.Jobs.Waiting(r.Context()); err != nil {
		return err
	}
	if page.Paused, err = p.pausedQueues(r.Context()); err != nil {
		return err
	}
	rebuilds, err := p.Jobs.List(r.Context(), shownRebuilds)
	if err != nil {
		return err
	}
	for _, job := range rebuilds {
		page.Rebuilds = append(page.Rebuilds, shownRebuild{job})
		if !job.Ended() && status == http.StatusOK { // otherwise the message would disappear with the reload
			page.Refresh = "/admin"
		}
	}
	return p.render(w, r, status, "operator", page)
}
