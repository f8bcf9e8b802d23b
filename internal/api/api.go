// Package api is the HTTP interface: it translates requests into commands and
// queries, and their results and errors into responses.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/audit"
	"learninglog/internal/cache"
	"learninglog/internal/problem"
	"learninglog/internal/quota"
	"learninglog/internal/zones"
	"learninglog/query"
)

// Config configures the API. Every field must be set, unless it says otherwise.
type Config struct {
	Recorder *command.Recorder
	Reader   *query.Reader
	Jobs     Jobs
	Trail    *audit.Trail
	// Version is that of the program, for the documentation. Default: it is unreleased.
	Version string
	// Limits are the limits of the recorder, for the documentation.
	Limits command.Limits
	// Ready returns nil if the service can answer requests, or an error that says
	// why not.
	Ready func(context.Context) error
	// Problems turns errors into problems.
	Problems *problem.Table
	// RequestTimeout limits how long a request may wait, mostly for the database.
	RequestTimeout time.Duration
	// Connections is how many connections to the database there may be. Most of them are for
	// reads: five eighths, and those of the Reader's small ones. Default: 16.
	Connections int
	// AllowedHosts are the host names by which the service may be asked for, besides
	// localhost and addresses: see [CheckHost]. Default: none.
	AllowedHosts []string
	// AllowedOrigins are the origins of other sites whose pages may use the API with a key:
	// see [CheckOrigin]. Default: none.
	AllowedOrigins []string
	// TrustedProxies are the addresses whose X-Forwarded-For says who a request is from.
	// Default: none.
	TrustedProxies []netip.Prefix
	// Access finds out who requests are from, or is nil where nobody is asked: then
	// everybody may do everything.
	Access Access
	// Keys are the keys that Access knows, or nil if it knows none.
	Keys audit.KeyStore
	// ShareLinks are the links by which learners show their pages, or nil where nobody is asked.
	ShareLinks ShareLinks
	// OnErased makes a function be called when learners were erased, so that nothing of them
	// is kept in memory. Default: nobody is.
	OnErased func(forget func())
	// LogsPerSecond is how many logs a caller may write who has no limit of their own, on
	// average. 0 is no limit.
	LogsPerSecond int
	// Requests is notified of every request.
	Requests RequestObserver
	// Metrics is what /metrics serves.
	Metrics prometheus.Gatherer
	// Stopping ends when the service begins to stop. Then the streams of logs and of
	// events, which may last for hours, end too.
	Stopping context.Context //nolint:containedctx // it belongs to the service, not to a call
	// Pages are the web pages. Without a start page, / redirects to the docs.
	Pages  Pages
	Logger *slog.Logger
}

type server struct {
	Config

	api        huma.API
	humaConfig huma.Config
	// everybody is who requests are from where nobody is asked.
	everybody *access.Identity
	// What requests may hold at the same time: see places.go.
	bodies, arrays, recording, watching, reads, smallReads, largeReads, answers, exports *places

	streams *streams
	// paces limit the logs of those who have no limit of their own.
	paces *quota.Limiters
	// decoding limits how many logs are decoded at the same time, so that arrays and
	// streams leave processors to others.
	decoding chan struct{}
	// streamTimeout is how long a stream waits for a client that makes no progress.
	streamTimeout time.Duration
	// restPatience is how long the rest of a body that was refused is read.
	restPatience time.Duration
	// pictures caches the pictures of summaries: drawing one takes about as long as
	// reading its summary.
	pictures *cache.Cache[query.Summary, representation]
	zones    *zones.Database
	// hosts limits how often the log says that a host name isn't allowed.
	hosts rate.Sometimes
	// problems are those of each route of the table, by its method and path.
	problems map[string][]problem.Kind
	// openAPIJSON and openAPIYAML are the encoded OpenAPI document.
	openAPIJSON, openAPIYAML []byte
}

// New returns the handler for all routes.
func New(config Config) (http.Handler, error) {
	_, router, err := newServer(config)
	if err != nil {
		return nil, err
	}
	return router, nil
}

// OpenAPI returns the OpenAPI document of a version of the program, or of an unreleased one,
// in YAML, as it is served and committed.
func OpenAPI(version string, limits command.Limits) ([]byte, error) {
	s, _, err := newServer(Config{Version: version, Limits: limits, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return s.openAPIYAML, nil
}

func newServer(config Config) (*server, *chi.Mux, error) {
	known, err := zones.Open()
	if err != nil {
		return nil, nil, err
	}
	s := &server{
		Config:        config,
		everybody:     access.Everybody(),
		bodies:        newPlaces(maxBodies, maxBodiesEach, "Too many large bodies are arriving."),
		arrays:        newPlaces(maxArrays, maxArraysEach, "Too many arrays are being answered."),
		recording:     newPlaces(maxRecording, maxRecordingEach, "Too many batches are being recorded."),
		watching:      newPlaces(maxWatching, maxWatchingEach, "Too many rebuilds are being watched."),
		reads:         newReads(config.Connections),
		smallReads:    newSmallReads(config.Connections),
		largeReads:    newPlaces(maxLargeReads, maxLargeReadsEach, "Too many thousands of rows are being read."),
		answers:       newPlaces(maxAnswers, maxAnswersEach, "Too many large answers are being sent."),
		exports:       newExports(config.Connections),
		streams:       newStreams(),
		paces:         quota.NewLimiters(func() *rate.Limiter { return access.NewPace(config.LogsPerSecond) }),
		decoding:      make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		streamTimeout: streamTimeout,
		restPatience:  restPatience,
		zones:         known,
		hosts:         rate.Sometimes{Interval: time.Minute},
		problems:      make(map[string][]problem.Kind),
		pictures:      cache.New[query.Summary, representation](maxPicturesBytes, maxPictureBytes),
	}
	if config.OnErased != nil {
		config.OnErased(s.pictures.Clear)
	}
	router := chi.NewMux()
	router.Use(s.middleware()...)
	s.humaConfig = s.newHumaConfig()
	s.api = humachi.New(router.With(checkQuery, holdRoom), s.humaConfig)
	if err := s.addRoutes(router); err != nil {
		return nil, nil, err
	}
	router.NotFound(s.notFound)
	router.MethodNotAllowed(s.methodNotAllowed(router))
	if err := s.writeOpenAPI(); err != nil {
		return nil, nil, err
	}
	return s, router, nil
}

// finish returns a context in which a request that changes something is finished, even if
// its client seems to be gone: a client may also have closed only its sending side, and
// must not be told that its log failed. The time begins when the body has arrived, because
// a slow network is not an outage; receiving the body has a timeout of its own.
func (s *server) finish(ctx context.Context) (context.Context, context.CancelFunc) {
	return s.limitTime(context.WithoutCancel(ctx))
}

// limitTime sets the timeout of a request.
func (s *server) limitTime(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.RequestTimeout)
}
