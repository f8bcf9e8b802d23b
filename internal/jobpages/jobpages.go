// Package jobpages serves the pages about jobs, using River UI.
package jobpages

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"
)

// contentPolicy prevents the pages from loading anything from other sites, and other
// sites from embedding them in frames.
const contentPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Pages serves the pages. They have no login: whoever can reach them can cancel,
// retry and delete jobs. The caller must prevent pages of other sites from making a
// browser do that (CSRF).
type Pages struct {
	jobs    *riverui.Handler
	handler http.Handler
	cancel  context.CancelFunc
}

// New returns the pages about the jobs of a client. They must be served at path and
// below, because they contain links.
func New(client *river.Client[pgx.Tx], path string, logger *slog.Logger) (*Pages, error) {
	jobs, err := riverui.NewHandler(&riverui.HandlerOpts{
		Endpoints: riverui.NewEndpoints(client, nil),
		Logger:    logger,
		Prefix:    path,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up River UI: %w", err)
	}
	pages := http.NewServeMux()
	pages.Handle(path, http.RedirectHandler(path+"/", http.StatusFound))
	pages.Handle(path+"/", jobs)
	return &Pages{jobs: jobs, handler: restrict(pages)}, nil
}

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
