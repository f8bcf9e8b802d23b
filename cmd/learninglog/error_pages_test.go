package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// isPage checks that an answer is a page with a heading, and returns its text.
func (a answer) isPage(t testing.TB, status int, heading string) string {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	assert.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
	assert.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
	assert.Contains(t, string(a.body), "<h1>"+heading+"</h1>")
	return string(a.body)
}

func (a answer) isProblem(t testing.TB, status int, kind string) {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.body)
	assert.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	assert.Equal(t, "/problems/"+kind, a.problem(t).Type)
}

func TestAnAddressThatLeadsNowhereIsAnsweredWithAPageToABrowser(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for _, path := range []string{"/nope", "/docs/nope", "/problems/nope", "/users/x/nope", "/admin/nope", "/v2/"} {
		text := s.see(path).isPage(t, http.StatusNotFound, "There is no such page")
		assert.Contains(t, text, `<a href="/">To the start page</a>`)
		assert.Contains(t, text, `href="/admin"`, "nobody is asked who they are")
		for _, accept := range []string{"", "*/*", "application/json", "application/problem+json, text/html;q=0.5"} {
			s.try(http.MethodGet, path, "", "Accept", accept).isProblem(t, http.StatusNotFound, "not-found")
		}
	}
	for path, status := range map[string]int{
		"/static/style.000000000000.css": http.StatusNotFound, "/static/": http.StatusNotFound, "/admin/jobs/%ff": http.StatusNotFound,
		"/admin/jobs/api/nope": http.StatusNotFound, "/admin/jobs/api/jobs/99": http.StatusNotFound,
		"/admin/jobs/api/jobs?limit=0": http.StatusUnprocessableEntity,
	} {
		for _, coding := range []string{"identity", "gzip"} {
			got := s.see(path, "Accept-Encoding", coding)
			require.Equal(t, status, got.status, "%s: %s", path, got.body)
			assert.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
			assert.Contains(t, got.header.Get("Content-Security-Policy"), "default-src 'none'")
			assert.Contains(t, string(got.body), `<a href="/">To the start page</a>`, path)
			assert.Contains(t, got.header.Values("Vary"), "Accept")
			for _, accept := range []string{"", "*/*", "application/json", "text/css,*/*;q=0.1"} {
				got := s.try(http.MethodGet, path, "", "Accept", accept, "Accept-Encoding", coding)
				assert.Equal(t, "application/problem+json", got.header.Get("Content-Type"), path)
				assert.Equal(t, status, got.problem(t).Status, path)
			}
		}
	}
	assert.Contains(t, string(s.see("/static/nope", "Accept-Language", "de").body), "<h1>Hier ist nichts</h1>")
	for _, path := range []string{"/v1/nope", "/v1/users/x/summary/y"} {
		s.see(path).isProblem(t, http.StatusNotFound, "not-found")
	}
	s.see("/v1/users/not-a-uuid/summary").isProblem(t, http.StatusUnprocessableEntity, "invalid-request")
	s.see("/?"+strings.Repeat("x&", 60)).isPage(t, http.StatusUnprocessableEntity, "The request is not valid")

	wrong := s.try(http.MethodPut, "/users/"+uuid.NewString(), "", "Accept", browsers)
	wrong.isPage(t, http.StatusMethodNotAllowed, "The method is not allowed here")
	assert.Equal(t, "GET, HEAD", wrong.header.Get("Allow"))
	s.try(http.MethodPut, "/users/"+uuid.NewString(), "").isProblem(t, http.StatusMethodNotAllowed, "method-not-allowed")
	s.try(http.MethodPut, "/v1/rebuilds", "", "Accept", browsers).isProblem(t, http.StatusMethodNotAllowed, "method-not-allowed")
	s.try(http.MethodPost, "/admin/rebuilds", "", "Accept", browsers, "Origin", "https://elsewhere.example").
		isPage(t, http.StatusForbidden, "The request comes from a page of another site")
}

func TestAMistypedLearnerIsToldSo(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	short := uuid.NewString()[:33]
	for _, path := range []string{"/users/" + short, "/users/" + short + "/streak.svg"} {
		assert.Contains(t, s.see(path).isPage(t, http.StatusNotFound, "There is no such learner"), "It is too short by 3 characters.")
	}
	search := s.see("/users?id=" + short)
	assert.Equal(t, http.StatusUnprocessableEntity, search.status)
	assert.Contains(t, string(search.body), "It is too short by 3 characters.")
}

func TestWhoeverIsNotLoggedInIsLedToTheLoginAndBack(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	for _, path := range []string{"/users/not-a-uuid", "/users/" + uuid.NewString(), "/users/" + s.learner.String() + "?by=week", "/admin"} {
		got := s.see(path)
		assert.Equal(t, http.StatusSeeOther, got.status, path)
		assert.Equal(t, "/login?next="+url.QueryEscape(path), got.header.Get("Location"))
	}
	back := newVisitor(t).goTo(s.base+"/login", url.Values{"key": {s.key}, "next": {"/users/" + s.learner.String() + "?by=week"}})
	assert.Equal(t, "/users/"+s.learner.String()+"?by=week", back.address.RequestURI())
	text := s.see("/nope").isPage(t, http.StatusNotFound, "There is no such page")
	assert.NotContains(t, text, "/admin")
	assert.NotContains(t, text, "Log out")
	s.see("/metrics").isPage(t, http.StatusUnauthorized, "Who are you?")
	s.try(http.MethodGet, "/metrics", "").isProblem(t, http.StatusUnauthorized, "unauthenticated")
}

func TestALearnerWhoIsLostIsLedToTheirOwnPage(t *testing.T) {
	t.Parallel()
	s := serveShared(t)
	own := "/users/" + s.learner.String()
	as := []string{"Authorization", "Bearer " + s.key}
	for path, heading := range map[string]string{
		"/nope":                      "There is no such page",
		"/docs/nope":                 "There is no such page",
		"/users/not-a-uuid":          "There is no such learner",
		"/users/" + uuid.NewString(): "This page isn&#39;t yours",
		"/users/" + uuid.NewString() + "/streak.svg": "This page isn&#39;t yours",
	} {
		text := s.see(path, as...).isPage(t, http.StatusNotFound, heading)
		assert.Contains(t, text, `<a href="`+own+`">To your page</a>`, path)
		assert.Contains(t, text, `<a class="brand" href="`+own+`">`, path)
		for _, never := range []string{`href="/"`, `href="/docs/"`, `href="/admin"`} {
			assert.NotContains(t, text, never, path)
		}
	}
	assert.Contains(t, string(s.see("/users/not-a-uuid", as...).body), "which can&#39;t be in it")
	forbidden := s.see("/admin", as...).isPage(t, http.StatusForbidden, "That is not yours to do")
	assert.Contains(t, forbidden, "To your page")
	start := s.see("/", as...)
	assert.Equal(t, own, start.header.Get("Location"))
	page := s.see(own, as...)
	require.Equal(t, http.StatusOK, page.status)
	for _, never := range []string{`href="/"`, `href="/docs/"`, `href="/admin"`} {
		assert.NotContains(t, string(page.body), never)
	}
	operators := string(s.see(own, "Authorization", "Bearer "+s.backend).body)
	for _, always := range []string{`href="/"`, `href="/docs/"`, `href="/admin"`} {
		assert.Contains(t, operators, always)
	}
}
