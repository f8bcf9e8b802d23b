// Package admin is the pages about jobs, by River UI.
package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"riverqueue.com/riverui"
)

// contentPolicy keeps the pages from loading anything from elsewhere, and others
// from showing them as theirs.
const contentPolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Pages are the pages. They have no login: whoever reaches them may cancel, retry
// and delete jobs. That no page of another site makes a browser do that is the
// business of whoever serves them.
type Pages struct {
	jobs    *riverui.Handler
	handler http.Handler
	cancel  context.CancelFunc
}

// New returns the pages about a client's jobs, which are to be served at path and
// below it: they have links of their own.
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

// Start keeps the numbers of jobs up to date until Stop, also after ctx has ended.
func (p *Pages) Start(ctx context.Context) error {
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.jobs.Start(ctx); err != nil {
		p.cancel()
		return fmt.Errorf("starting River UI: %w", err)
	}
	return nil
}

// Stop ends what Start began. What it asks the database just now is cancelled.
func (p *Pages) Stop(context.Context) error {
	p.cancel()
	return nil
}
