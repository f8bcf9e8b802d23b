// Package dashboard serves the web pages: learners' histories, and the state of the
// service for operators. They load nothing from other sites, and work without scripts.
package dashboard

import (
	"compress/gzip"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/gzhttp"
	"github.com/riverqueue/river"

	"learninglog/internal/cache"
	"learninglog/query"
)

// Config has what the pages need. Every field must be set, unless it says otherwise.
type Config struct {
	Reader *query.Reader
	// Jobs is River's client, for rebuilds.
	Jobs *river.Client[pgx.Tx]
	// Zone is the zone of periods, and of dates without a time.
	Zone *time.Location
	// Operations is what the operators' page shows. Nil leaves that page out.
	Operations *Operations
	// JobPages serves everything under /admin/jobs. Nil leaves it out.
	JobPages http.Handler
	// Unavailable says whether an error is temporary: the request may succeed later.
	Unavailable func(error) bool
	// RequestTimeout bounds what a page may wait for.
	RequestTimeout time.Duration
	Logger         *slog.Logger
}

// Pages serves the pages.
type Pages struct {
	Config

	templates templates
	assets    assets
	overview  overviews
	cache     *cache.Cache[pageData, compressedPage] // of learners' pages, by address
	// newUser is the user of the first log, in examples.
	newUser  uuid.UUID
	compress func(http.Handler) http.HandlerFunc
}

// New returns the pages.
func New(config Config) (*Pages, error) {
	compress, err := gzhttp.NewWrapper(
		gzhttp.MinSize(0), gzhttp.SuffixETag(compressedSuffix), gzhttp.CompressionLevel(gzip.BestSpeed))
	if err != nil {
		return nil, err
	}
	assets, err := readAssets()
	if err != nil {
		return nil, err
	}
	pages := &Pages{
		Config:   config,
		assets:   assets,
		cache:    cache.New[pageData, compressedPage](maxCacheBytes, maxCachedBytes),
		newUser:  uuid.New(),
		compress: compress,
	}
	pages.templates, err = parseTemplates(pages.templateFunctions())
	if err != nil {
		return nil, err
	}
	return pages, nil
}

// Route adds the pages to a router.
func (p *Pages) Route(router chi.Router) {
	router.Get(staticPath+"*", p.compress(p.assets))
	router.Get("/", p.page(p.start))
	router.Get("/users", p.page(p.findUser))
	router.Get("/users/{user_id}", p.page(p.learner))
	if p.Operations != nil {
		router.Get("/admin", p.page(p.operator))
		router.Get("/admin/", http.RedirectHandler("/admin", http.StatusMovedPermanently).ServeHTTP)
		router.Post("/admin/rebuilds", p.page(p.requestRebuild))
		router.Post("/admin/rebuilds/{id}/cancel", p.page(p.cancelRebuild))
	}
	if p.JobPages != nil {
		router.Handle("/admin/jobs", p.JobPages)
		router.Handle("/admin/jobs/*", p.JobPages)
	}
}

// contentPolicy lets pages load files of this service alone, and lets no other site
// show a page in a frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page is a handler that may fail: then what went wrong is shown as a page.
func (p *Pages) page(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return p.compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), p.RequestTimeout)
		defer cancel()
		w.Header().Set("Content-Security-Policy", contentPolicy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		if err := handle(w, r.WithContext(ctx)); err != nil {
			p.fail(w, r, err)
		}
	}))
}
