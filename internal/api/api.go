// Package api is the HTTP surface: it turns requests into commands and queries, and their results and errors into answers.
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
	"learninglog/query"
)

// Config has what the API needs. Every field must be set, unless it says otherwise.
type Config struct {
	Recorder *command.Recorder
	Reader   *query.Reader
	Jobs     Jobs
	// Limits are those of the recorder, for the documentation.
	Limits command.Limits
	// Zone is the zone of periods, and of dates without a time.
	Zone *time.Location
	// Ready returns nil if requests can be served, or says why not.
	Ready func(context.Context) error
	// Problems turns errors into problems.
	Problems *problem.Table
	// RequestTimeout bounds what a request may wait for, the database above all.
	RequestTimeout time.Duration
	// Requests is told of every request.
	Requests RequestObserver
	// Metrics is what /metrics serves.
	Metrics prometheus.Gatherer
	// Stopping ends when the service begins to stop: streams, of logs or of events,
	// which may go on for hours, then end.
	Stopping context.Context //nolint:containedctx // it is the service's, not a call's
	// Pages are the web pages. Without a start page, / leads to the docs.
	Pages  Pages
	Logger *slog.Logger
}

// version is that of the API, not of the program.
const version = "1.0.0"

type server struct {
	Config

	api huma.API
	// reading, streaming and recording have a place for every array that may be
	// read, every stream that may be open, and every array or block of a stream that
	// may be recorded at the same time; watching has one for every watcher of a
	// rebuild.
	reading, streaming, recording, watching chan struct{}
	// streamTimeout is how long a stream waits for a client that makes no progress.
	streamTimeout time.Duration
	// pictures are cached: drawing one takes about as long as reading its summary.
	pictures *cache.Cache[query.Summary, representation]
	// openAPIJSON and openAPIYAML are the document, written once.
	openAPIJSON, openAPIYAML []byte
}

// New returns the handler of the whole surface.
func New(config Config) (http.Handler, error) {
	_, router, err := newServer(config)
	if err != nil {
		return nil, err
	}
	return router, nil
}

// OpenAPI returns the OpenAPI document in YAML, as it is served and committed.
func OpenAPI(limits command.Limits) ([]byte, error) {
	s, _, err := newServer(Config{Limits: limits, Zone: time.UTC, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return s.openAPIYAML, nil
}

func newServer(config Config) (*server, *chi.Mux, error) {
	s := &server{
		Config:        config,
		reading:       make(chan struct{}, maxReading),
		streaming:     make(chan struct{}, maxStreaming),
		recording:     make(chan struct{}, maxRecording),
		watching:      make(chan struct{}, maxWatching),
		streamTimeout: streamTimeout,
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

// limitTime bounds what a request may wait for. One with a body is bounded once
// that has arrived: a slow network is no outage, and has a bound of its own.
func (s *server) limitTime(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.RequestTimeout)
}
