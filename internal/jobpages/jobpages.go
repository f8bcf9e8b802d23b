// Package jobpages serves the pages about jobs, using River UI. Whatever River UI
// can't digest is refused before it.
package jobpages

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"

	"learninglog/internal/audit"
	"learninglog/internal/problem"
)

// Config has what the pages need. Every field must be set.
type Config struct {
	// Client is the client whose jobs are shown.
	Client *river.Client[pgx.Tx]
	// Path is where the pages are served, and below, because they contain links.
	Path string
	// Back is where a link in the pages leads back to.
	Back string
	// Ready returns nil if the database can be reached and is migrated, or says why
	// not.
	Ready func(context.Context) error
	// Problems turns errors into problems.
	Problems *problem.Table
	// Trail records what is done to jobs and queues.
	Trail audit.Recorder
	// Logger is for River UI.
	Logger *slog.Logger
}

// Pages serves the pages. They have no login: whoever can reach them can cancel,
// retry and delete jobs, and pause queues. The caller must prevent pages of other
// sites from making a browser do that (CSRF).
type Pages struct {
	jobs    *riverui.Handler
	handler http.Handler
	cancel  context.CancelFunc
}

// New returns the pages.
func New(config Config) (*Pages, error) {
	jobs, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(config.Client, nil),
		Logger:    config.Logger,
		Prefix:    config.Path,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up River UI: %w", err)
	}
	pages := http.NewServeMux()
	start := onlyRead(http.HandlerFunc(config.open))
	pages.Handle(config.Path, start)
	pages.Handle(config.Path+"/{$}", start)
	pages.Handle(config.Path+"/", checked(onlyRead(config.withWayBack(jobs))))
	pages.Handle(config.Path+"/api/", checked(config.endpoints(config.Path+"/api", jobs)))
	return &Pages{jobs: jobs, handler: restrict(problem.Translate(pages, func(w http.ResponseWriter, r *http.Request, answer problem.Answer) {
		config.translate(r, answer).WriteJSON(w)
	}))}, nil
}

// contentPolicy prevents the pages from loading anything from other sites, and other
// sites from embedding them in frames.
const contentPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func restrict(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", contentPolicy)
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP serves what is below the path of the pages.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Start keeps the numbers of jobs up to date until Stop is called, even after ctx
// has ended.
func (p *Pages) Start(ctx context.Context) error {
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.jobs.Start(ctx); err != nil {
		p.cancel()
		return fmt.Errorf("starting River UI: %w", err)
	}
	return nil
}

// Stop ends the updates. A query that is running is cancelled.
func (p *Pages) Stop(context.Context) error {
	p.cancel()
	return nil
}
