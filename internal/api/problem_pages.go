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
	if !strings.HasPrefix(r.URL.Path, sharedPath) {
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
	return s.Pages.Fail != nil && !strings.HasPrefix(r.URL.Path, sharedPath) &&
		negotiation.SelectQValue(r.Header.Get("Accept"), []string{problem.MediaType, mediaJSON, html}) == html
}

// withVisitor returns a request for which there is no route, with whom it is from, so that its
// answer can lead them back. While nobody can tell, they are nobody.
func (s *server) withVisitor(r *http.Request) *http.Request {
	if s.Access == nil || access.IsSharePath(r.URL.Path) {
		return r
	}
	identity, err := s.Access.Identify(r)
	if err != nil || identity == nil {
		return r
	}
	return r.WithContext(access.With(r.Context(), identity))
}
