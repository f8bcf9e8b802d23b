package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/swaggest/swgui/v5emb"

	"learninglog/internal/problem"
)

// docs is a page to read the OpenAPI document and try it out, from the binary alone.
func docs() http.Handler { return v5emb.New("learninglog", "/openapi.json", "/docs/") }

// openAPI serves the document, which is written when all routes are known.
func (s *server) openAPI(contentType string, document *[]byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(*document) // a client that is gone needs no answer
	})
}

// explainProblem is the page of a kind of problem.
func (s *server) explainProblem(w http.ResponseWriter, r *http.Request) {
	kinds := problem.Kinds()
	named := func(kind problem.Kind) bool { return kind.Name == chi.URLParam(r, "name") }
	i := slices.IndexFunc(kinds, named)
	if i < 0 {
		s.notFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s (%d)\n\n%s\n", kinds[i].Title, kinds[i].Status, kinds[i].Help)
}

// metrics serves the metrics, as text or OpenMetrics. They aren't in the OpenAPI
// document: Prometheus knows the format, and nobody writes a client.
func (s *server) metrics() http.Handler {
	return promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// What can't be had while the database is away is logged; the rest is needed
		// then most of all.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	})
}
