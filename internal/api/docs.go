package api

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/swaggest/swgui/v5emb"

	"learninglog/internal/problem"
)

// swaggerFiles are the page of Swagger UI and the script that starts it. Those that the
// library has are within one page, which would have to allow whatever is within it.
//
//go:embed swagger
var swaggerFiles embed.FS

// docsPolicy lets the page load files, and call an API, of this service alone. Swagger UI
// has small pictures within its styles.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// docs serves Swagger UI from the binary, to read the document and to try the API.
func (s *server) docs() http.Handler {
	ours, err := fs.Sub(swaggerFiles, "swagger")
	if err != nil {
		panic(err) // can't happen: the name is valid
	}
	files := http.NewServeMux()
	files.Handle("/docs/{$}", http.StripPrefix("/docs", http.FileServerFS(ours)))
	for _, name := range []string{"start.js", "docs.css"} {
		files.Handle("/docs/"+name, http.StripPrefix("/docs", http.FileServerFS(ours)))
	}
	files.Handle("/docs/", v5emb.New("learninglog", "/openapi.json", "/docs/"))
	restricted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		whole := r.Clone(r.Context())
		whole.Header.Del("Range") // files are small, and the only error is that there is none
		whole.Header.Del("If-Match")
		files.ServeHTTP(w, whole)
	})
	return problem.Translate(restricted, func(w http.ResponseWriter, r *http.Request, _ problem.Answer) { s.notFound(w, r) })
}

// openAPI serves the document. The pointer is needed because the document is written
// after all routes have been added.
func (s *server) openAPI(contentType string, document *[]byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(*document) // a client that is gone needs no answer
	})
}

// explainProblem serves the page that explains a kind of problem.
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

// metrics serves the metrics as text or as OpenMetrics. They aren't in the OpenAPI
// document: Prometheus knows the format, and nobody writes a client for it.
func (s *server) metrics() http.Handler {
	return promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// While the database is unavailable, the metrics that need it are missing,
		// which is logged. The others are needed most at that time.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	})
}
