package api

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/swaggest/swgui/v5emb"
)

// routeDocs serves what explains the API, from the binary alone: the document, a
// page to read it and try it out, and a page for each kind of problem.
func (s *server) routeDocs(router chi.Router) {
	router.Get("/openapi.json", static("application/openapi+json", s.openAPIJSON))
	router.Get("/openapi.yaml", static("application/openapi+yaml", s.openAPIYAML))

	docs := v5emb.New("learninglog", "/openapi.json", "/docs/")
	router.Get("/docs", http.RedirectHandler("/docs/", http.StatusMovedPermanently).ServeHTTP)
	router.Get("/docs/*", docs.ServeHTTP)

	for _, kind := range kinds() {
		page := fmt.Sprintf("%s (%d)\n\n%s\n", kind.title, kind.status, kind.help)
		router.Get("/problems/"+kind.name, static("text/plain; charset=utf-8", []byte(page)))
	}
}

func static(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body) // a client that is gone needs no answer
	}
}
