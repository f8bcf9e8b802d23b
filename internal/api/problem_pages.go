package api

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2/negotiation"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// refuse answers with a problem: as a page if that is what a browser asks for, or else in
// JSON.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, wrong *problem.Problem) {
	if !strings.HasPrefix(r.URL.Path, apiPath) {
		w.Header().Add("Vary", "Accept")
	}
	if s.wantsPage(r) {
		s.Pages.Fail(w, r, wrong)
		return
	}
	wrong.WriteJSON(w)
}

// wantsPage reports whether a request that can't be answered is of a person, outside of the API.
// Clients that take anything get JSON.
func (s *server) wantsPage(r *http.Request) bool {
	const html = "text/html"
	return s.Pages.Fail != nil && !strings.HasPrefix(r.URL.Path, apiPath) &&
		negotiation.SelectQValue(r.Header.Get("Accept"), []string{problem.MediaType, mediaJSON, html}) == html
}

// withProblemPages shows the problems of a handler as pages, where a browser asks for one. Nil
// stays nil.
func (s *server) withProblemPages(handler http.Handler) http.Handler {
	if handler == nil {
		return nil
	}
	return problem.Catch(handler, func(w http.ResponseWriter, r *http.Request, wrong *problem.Problem) {
		if s.wantsPage(r) {
			r = s.withVisitor(r)
		}
		s.refuse(w, r, wrong)
	})
}

// withVisitor returns a request that didn't have to say whom it is from, with whom that is, so
// that its answer can lead them back. While nobody can tell, they are nobody.
func (s *server) withVisitor(r *http.Request) *http.Request {
	if s.Access == nil || access.Of(r.Context()) != nil || access.IsSharePath(r.URL.Path) {
		return r
	}
	identity, err := s.Access.Identify(r)
	if err != nil || identity == nil {
		return r
	}
	return r.WithContext(access.With(r.Context(), identity))
}
