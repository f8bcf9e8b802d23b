// Package api is the HTTP surface: it turns requests into commands and queries, and their results and errors into answers.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/riverqueue/river"
	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/internal/cache"
	"learninglog/query"
)

// Config has what the API needs. Every field must be set, unless it says otherwise.
type Config struct {
	Recorder *command.Recorder
	Reader   *query.Reader
	// Jobs is River's client, for rebuilds.
	Jobs *river.Client[pgx.Tx]
	// Limits are those of the recorder, for the documentation.
	Limits command.Limits
	// Zone is the zone of periods, and of dates without a time.
	Zone *time.Location
	// Ready returns nil if requests can be served, or says why not.
	Ready func(context.Context) error
	// Unavailable says whether an error passes: the request may succeed later.
	Unavailable func(error) bool
	// RequestTimeout bounds what a request may wait for, the database above all.
	RequestTimeout time.Duration
	// Requests is told of every request.
	Requests RequestObserver
	// Metrics is what /metrics serves.
	Metrics prometheus.Gatherer
	// Stopping ends when the service begins to stop: streams, of logs or of events,
	// which may go on for hours, then end.
	Stopping context.Context //nolint:containedctx // it is the service's, not a call's
	// Pages adds the web pages, whose parameters are their own. Nil is none: then /
	// leads to the docs.
	Pages  func(chi.Router)
	Logger *slog.Logger
}

// version is that of the API, not of the program.
const version = "1.0.0"

type server struct {
	Config

	api huma.API
	// reading, streaming and recording have a place for every array that may be
	// read, every stream that may be open, and every array or chunk of a stream that
	// may be recorded at the same time; watching has one for every watcher of a
	// rebuild.
	reading, streaming, recording, watching chan struct{}
	// trouble says when it is time to log again why requests are turned away.
	trouble rate.Sometimes
	// patience is how long a stream waits for a client that makes no progress.
	patience time.Duration
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
		Config:    config,
		reading:   make(chan struct{}, maxReading),
		streaming: make(chan struct{}, maxStreaming),
		recording: make(chan struct{}, maxRecording),
		watching:  make(chan struct{}, maxWatching),
		trouble:   rate.Sometimes{Interval: time.Second},
		patience:  streamPatience,
		pictures:  cache.New[query.Summary, representation](maxPicturesBytes, maxPictureBytes),
	}
	router := chi.NewMux()
	router.Use(s.middleware()...)
	routes := router.With(checkQuery)
	s.api = humachi.New(routes, s.humaConfig())

	s.routeRecord(routes)
	s.registerBatch()
	s.registerLogs()
	s.registerSummary()
	s.registerStreak()
	s.registerActivity()
	s.registerRebuilds()
	s.registerRebuildEvents()
	s.registerVerifications()
	s.registerHealth()
	if err := s.writeOpenAPI(); err != nil {
		return nil, nil, err
	}
	s.routeDocs(routes)
	s.routeMetrics(routes)
	if s.Pages != nil {
		s.Pages(router)
	} else {
		router.Get("/", http.RedirectHandler("/docs/", http.StatusFound).ServeHTTP)
	}
	router.NotFound(s.notFound)
	router.MethodNotAllowed(s.methodNotAllowed(router))
	return s, router, nil
}

func (s *server) humaConfig() huma.Config {
	config := huma.DefaultConfig("learninglog", version)
	config.Info.Description = "Records what people learn and shows it back to them: " +
		"every acknowledged log is counted exactly once, in every period, at every commit."
	config.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	config.Tags = []*huma.Tag{
		{Name: tagLogs, Description: "Post learning logs, one or many, as often as the network makes you."},
		{Name: tagSummaries, Description: "Totals and averages per day, week and month."},
		{Name: tagRebuilds, Description: "Verify and repair the rollups while everybody goes on writing."},
		{Name: tagOperations, Description: "Is it alive, is it ready?"},
	}
	config.OpenAPIPath = "" // huma writes it anew, unsynchronized, at the first requests
	config.DocsPath = ""    // huma's page loads from a CDN
	config.SchemasPath = ""
	config.CreateHooks = nil // no $schema in every answer
	config.RejectUnknownQueryParameters = true
	config.AllowAdditionalPropertiesByDefault = true // an answer may get more fields
	config.Transformers = []huma.Transformer{asProblem}
	return config
}

const (
	tagLogs       = "Learning logs"
	tagSummaries  = "Summaries"
	tagRebuilds   = "Rebuilds"
	tagOperations = "Operations"
)

// register adds an operation whose errors, whatever they are, are answered as
// problems: those of problems are documented, as are the ones that can always
// happen.
func register[I, O any](
	s *server, operation huma.Operation, problems []int, handler func(context.Context, *I) (*O, error),
) {
	s.documentProblems(&operation, problems)
	// huma reads a body that is documented when the operation is registered.
	body := operation.RequestBody
	operation.RequestBody = nil
	huma.Register(s.api, operation, func(ctx context.Context, input *I) (*O, error) {
		if operation.Method == http.MethodGet {
			var cancel context.CancelFunc
			ctx, cancel = s.limitTime(ctx)
			defer cancel()
		}
		output, err := handler(ctx, input)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return output, nil
	})
	if body != nil {
		s.api.OpenAPI().Paths[operation.Path].Post.RequestBody = body
	}
}

// documentProblems adds the problems of an operation, and those that can always
// happen, to its documentation.
func (s *server) documentProblems(operation *huma.Operation, problems []int) {
	problems = append(problems, http.StatusUnprocessableEntity, http.StatusInternalServerError)
	schema := s.api.OpenAPI().Components.Schemas.Schema(problemType, true, "Problem")
	if operation.Responses == nil {
		operation.Responses = make(map[string]*huma.Response)
	}
	for _, status := range problems {
		response := &huma.Response{
			Description: http.StatusText(status),
			Content:     map[string]*huma.MediaType{problemMediaType: {Schema: schema}},
		}
		if status == http.StatusServiceUnavailable {
			response.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "Seconds to wait before the same request is sent again.",
				Schema:      &huma.Schema{Type: huma.TypeInteger},
			}}
		}
		operation.Responses[fmt.Sprint(status)] = response
	}
}

// limitTime bounds what a request may wait for. One with a body is bounded once
// that has arrived: a slow network is no outage, and has a bound of its own.
func (s *server) limitTime(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.RequestTimeout)
}

// writeOpenAPI writes the document once all operations are registered.
func (s *server) writeOpenAPI() (err error) {
	document := s.api.OpenAPI()
	// huma registers its own error model, which asProblem replaces.
	delete(document.Components.Schemas.Map(), "ErrorModel")
	delete(document.Components.Schemas.Map(), "ErrorDetail")
	if s.openAPIYAML, err = document.YAML(); err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	if s.openAPIJSON, err = json.Marshal(document); err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	return nil
}
