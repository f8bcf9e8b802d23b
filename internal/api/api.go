// Package api is the HTTP interface: it translates requests into commands and
// queries, and their results and errors into responses.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"learninglog/command"
	"learninglog/internal/cache"
	"learninglog/internal/problem"
	"learninglog/internal/zones"
	"learninglog/query"
)

// Config configures the API. Every field must be set, unless it says otherwise.
type Config struct {
	Recorder *command.Recorder
	Reader   *query.Reader
	Jobs     Jobs
	// Limits are the limits of the recorder, for the documentation.
	Limits command.Limits
	// Ready returns nil if the service can answer requests, or an error that says
	// why not.
	Ready func(context.Context) error
	// Problems turns errors into problems.
	Problems *problem.Table
	// RequestTimeout limits how long a request may wait, mostly for the database.
	RequestTimeout time.Duration
	// AllowedHosts are the host names by which the service may be asked for, besides
	// localhost and addresses: see [CheckHost]. Default: none.
	AllowedHosts []string
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

// version is the version of the API, not of the program.
const version = "1.0.0"

type server struct {
	Config

	api huma.API
	// These channels are semaphores. reading limits the arrays in memory, streaming
	// the open streams, recording the arrays and the blocks of streams that are
	// being recorded, and watching the watchers of rebuilds.
	reading, streaming, recording, watching chan struct{}
	// streamTimeout is how long a stream waits for a client that makes no progress.
	streamTimeout time.Duration
	// pictures caches the pictures of summaries: drawing one takes about as long as
	// reading its summary.
	pictures *cache.Cache[query.Summary, representation]
	zones    *zones.Database
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

// OpenAPI returns the OpenAPI document in YAML, as it is served and committed.
func OpenAPI(limits command.Limits) ([]byte, error) {
	s, _, err := newServer(Config{Limits: limits, Logger: slog.New(slog.DiscardHandler)})
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
		reading:       make(chan struct{}, maxReading),
		streaming:     make(chan struct{}, maxStreaming),
		recording:     make(chan struct{}, maxRecording),
		watching:      make(chan struct{}, maxWatching),
		streamTimeout: streamTimeout,
		zones:         known,
		problems:      make(map[string][]problem.Kind),
		pictures:      cache.New[query.Summary, representation](maxPicturesBytes, maxPictureBytes),
	}
	router := chi.NewMux()
	router.Use(s.middleware()...)
	s.api = humachi.New(router.With(checkQuery), s.humaConfig())
	s.addRoutes(router)
	router.NotFound(s.notFound)
	router.MethodNotAllowed(s.methodNotAllowed(router))
	if err := s.writeOpenAPI(); err != nil {
		return nil, nil, err
	}
	return s, router, nil
}

// limitTime sets the timeout of a request. For a request with a body, the time
// begins when the body has arrived, because a slow network is not an outage.
// Receiving the body has a timeout of its own.
func (s *server) limitTime(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.RequestTimeout)
}
