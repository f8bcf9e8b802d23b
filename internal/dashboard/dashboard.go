// Package dashboard serves the web pages: learners' histories, and the state of the
// service for operators. They load nothing from other sites, and work without scripts.
package dashboard

import (
	"compress/gzip"
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/gzhttp"

	"learninglog/internal/audit"
	"learninglog/internal/cache"
	"learninglog/internal/problem"
	"learninglog/query"
)

// Config has what the pages need. Every field must be set, unless it says otherwise.
type Config struct {
	Reader   *query.Reader
	Recorder Recorder
	Jobs     Jobs
	Trail    *audit.Trail
	// Zone is the zone in which instants are shown that belong to no learner.
	Zone *time.Location
	// Operations is what the operators' page shows. Nil leaves that page out.
	Operations *Operations
	// Keys are the keys of callers. Nil leaves their page out.
	Keys audit.KeyStore
	// ShareLinks are the links by which learners show their pages. Nil is none.
	ShareLinks ShareLinks
	// JobsPath is where the pages about jobs are, for links. Empty is nowhere.
	JobsPath string
	// PublicURL is where people reach the service, for links that leave it. Empty is the address
	// that a request asks for.
	PublicURL string
	// Login is how people log in. Nil is nowhere: then nobody is asked who they are.
	Login *Login
	// OnErased makes a function be called when learners were erased, so that nothing of them
	// is kept in memory. Nil means that nobody is.
	OnErased func(forget func())
	// Problems turns errors into problems.
	Problems *problem.Table
	// RequestTimeout bounds what a page may wait for.
	RequestTimeout time.Duration
	Logger         *slog.Logger
}

// Pages has the pages, each a handler.
type Pages struct {
	Config

	Static, Start, FindUser, Learner, Void, Erase, ChangeSettings http.Handler
	// These are also for whoever has a share link, as the learner's page is.
	StreakBadge, CalendarBadge http.Handler
	// These are about the share links of a learner.
	ListShareLinks, CreateShareLink, RevokeShareLink http.Handler
	// These let people log in, by a key or at the provider.
	LogIn, LogInWithKey, StartLogin, FinishLogin, LogOut http.Handler
	// These are for operators.
	Operator, RequestRebuild, RequestRezone   http.Handler
	RequestPurge                              http.Handler
	CancelRebuild, CancelWaiting, ResumeQueue http.Handler
	ListKeys, CreateKey, RotateKey, RevokeKey http.Handler
	Audit                                     http.Handler

	templates templates
	assets    assets
	overview  overviews
	cache     *cache.Cache[pageData, compressedPage] // of learners' pages, by address
	gzip      *compressor                            // of cached pages
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
		gzip:     newCompressor(),
		newUser:  uuid.New(),
		compress: compress,
	}
	if config.OnErased != nil {
		config.OnErased(pages.cache.Clear)
	}
	pages.templates, err = parseTemplates(pages.templateFunctions())
	if err != nil {
		return nil, err
	}
	pages.Static = compress(pages.assets)
	pages.Start, pages.FindUser, pages.Learner = pages.page(pages.start), pages.page(pages.findUser), pages.page(pages.learner)
	pages.Void, pages.Erase = pages.page(pages.void), pages.page(pages.erase)
	pages.ChangeSettings = pages.page(pages.changeSettings)
	pages.StreakBadge, pages.CalendarBadge = pages.page(pages.streakBadge), pages.page(pages.calendarBadge)
	pages.ListShareLinks, pages.CreateShareLink = pages.page(pages.shareLinks), pages.page(pages.createShareLink)
	pages.RevokeShareLink = pages.page(pages.revokeShareLink)
	pages.LogIn, pages.LogInWithKey, pages.LogOut = pages.page(pages.logIn), pages.page(pages.logInWithKey), pages.page(pages.logOut)
	pages.StartLogin, pages.FinishLogin = pages.page(pages.startLogin), pages.page(pages.finishLogin)
	pages.Operator, pages.CancelRebuild = pages.page(pages.operator), pages.page(pages.cancelRebuild)
	pages.ResumeQueue = pages.page(pages.resumeQueue)
	pages.RequestRebuild, pages.RequestRezone = pages.page(pages.requestRebuild), pages.page(pages.requestRezone)
	pages.RequestPurge, pages.CancelWaiting = pages.page(pages.requestPurge), pages.page(pages.cancelWaiting)
	pages.ListKeys, pages.CreateKey = pages.page(pages.keys), pages.page(pages.createKey)
	pages.RotateKey, pages.RevokeKey = pages.page(pages.rotateKey), pages.page(pages.revokeKey)
	pages.Audit = pages.page(pages.showAudit)
	return pages, nil
}

// contentPolicy lets pages load files of this service alone, and lets no other site
// show a page in a frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// page is a handler that may fail: then what went wrong is shown as a page. What changes
// something is finished, even if the browser seems to be gone.
func (p *Pages) page(handle func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return p.compress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.Method == http.MethodPost {
			ctx = context.WithoutCancel(ctx)
		}
		ctx, cancel := context.WithTimeout(ctx, p.RequestTimeout)
		defer cancel()
		w.Header().Set("Content-Security-Policy", contentPolicy)
		if err := handle(w, r.WithContext(ctx)); err != nil {
			p.Fail(w, r, err)
		}
	}))
}
