package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

// try sends a request with headers, given as name, value, name, value. The path is sent as it
// is written, and no redirect is followed.
func (s *service) try(method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, s.base, strings.NewReader(body))
	require.NoError(s.t, err)
	request.URL.Opaque = path
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return answer{status: response.StatusCode, header: response.Header, body: text}
}

// closed is a service that asks for keys. It has a log of another learner than that of the
// key.
type closed struct {
	*service

	key            string // of the learner
	learner, other uuid.UUID
	logID          uuid.UUID // of the other
}

func serveClosed(t *testing.T) closed {
	t.Helper()
	databaseURL := pgtest.URL(t)
	c := closed{learner: uuid.New(), other: uuid.New(), logID: uuid.New()}
	keys := access.NewKeys(pgtest.Open(t, databaseURL))
	scopes := []access.Scope{access.WriteLogs, access.ReadLogs}
	var err error
	_, c.key, err = keys.Create(t.Context(), access.NewKey{Name: "phone", Scopes: scopes, UserID: &c.learner})
	require.NoError(t, err)
	_, all, err := keys.Create(t.Context(), access.NewKey{Name: "backend", Scopes: scopes})
	require.NoError(t, err)
	c.service = serve(t, "--auth=keys", "--database-url", databaseURL)
	c.as(all, http.StatusCreated, http.MethodPost, "/v1/learning-logs", "application/json", logWithID(c.logID, c.other, 77))
	return c
}

func TestAKeyOfALearnerReachesNobodyElseHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	c := serveClosed(t)
	id := c.other.String()
	authorization := []string{"Authorization", "Bearer " + c.key}
	for _, path := range []string{
		"/v1/users/" + id + "/summary", "/v1/users/" + strings.ToUpper(id) + "/summary", "/v1/users/urn:uuid:" + id + "/summary",
		"/v1/users/{" + id + "}/summary", "/v1/users/" + strings.ReplaceAll(id, "-", "") + "/summary",
		"/v1/users/" + fmt.Sprintf("%%%02X", id[0]) + id[1:] + "/summary", "/v1/users/" + c.learner.String() + "/../" + id + "/summary",
		"/v1//users/" + id + "/summary", "/v1/users/" + id + "/learning-logs/" + c.logID.String(), "/v1/users/" + c.learner.String() + "/learning-logs/" + c.logID.String(),
		"/users/" + id, "/users/" + strings.ToUpper(id),
	} {
		got := c.try(http.MethodGet, path, "", authorization...)
		assert.Equal(t, http.StatusNotFound, got.status, "%s: %s", path, got.body)
	}
	for _, path := range []string{"/", "/users?id=x"} {
		got := c.try(http.MethodGet, path, "", authorization...)
		assert.Equal(t, http.StatusSeeOther, got.status)
		assert.NotContains(t, string(got.body), id)
	}
	json := append([]string{"Content-Type", "application/json"}, authorization...)
	taken := c.try(http.MethodPost, "/v1/learning-logs", logWithID(c.logID, c.learner, 1), json...)
	assert.Equal(t, http.StatusConflict, taken.status)
	assert.NotContains(t, string(taken.body), id, "it isn't said whose the request id is")
	replaced := c.try(http.MethodPost, "/v1/learning-logs", newLog(c.learner, 1, `"replaces":"`+c.logID.String()+`"`), json...)
	assert.Equal(t, http.StatusConflict, replaced.status)
	assert.Contains(t, string(replaced.body), "replaced-unknown")
	assert.Equal(t, http.StatusNotFound, c.try(http.MethodDelete, "/v1/users/"+id+"/learning-logs/"+c.logID.String(), "", authorization...).status)
	refused := c.try(http.MethodPost, "/v1/learning-logs/void", `[{"request_id":"`+c.logID.String()+`","user_id":"`+id+`"}]`, json...)
	assert.Contains(t, string(refused.body), `"forbidden":1`)
}

func TestAKeyCountsNowhereButInTheAuthorization(t *testing.T) {
	t.Parallel()
	c := serveClosed(t)
	path := "/v1/users/" + c.learner.String() + "/summary"
	require.Equal(t, http.StatusOK, c.try(http.MethodGet, path, "", "Authorization", "bearer "+c.key).status)
	for name, got := range map[string]answer{
		"nothing":              c.try(http.MethodGet, path, ""),
		"a query":              c.try(http.MethodGet, path+"?key="+c.key+"&access_token="+c.key, ""),
		"a cookie":             c.try(http.MethodGet, path, "", "Cookie", "session="+c.key+"; __Host-session="+c.key),
		"a header":             c.try(http.MethodGet, path, "", "X-API-Key", c.key),
		"Basic":                c.try(http.MethodGet, path, "", "Authorization", "Basic "+c.key),
		"a key that is longer": c.try(http.MethodGet, path, "", "Authorization", "Bearer "+c.key+"0"),
		"a key in small":       c.try(http.MethodGet, path, "", "Authorization", "Bearer "+strings.ToLower(c.key)),
	} {
		assert.Equal(t, http.StatusUnauthorized, got.status, name)
		assert.Contains(t, got.header.Get("WWW-Authenticate"), "Bearer", name)
	}
	assert.Contains(t, c.try(http.MethodPost, "/admin/rebuilds", "").header.Get("WWW-Authenticate"), "Bearer", "a page")
	for _, header := range []string{"X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-User", "X-User-Id"} {
		got := c.try(http.MethodGet, "/v1/rebuilds", "", "Authorization", "Bearer "+c.key, header, "/healthz")
		assert.Equal(t, http.StatusForbidden, got.status, header)
	}
	page := c.try(http.MethodGet, "/admin", "", "Authorization", "Bearer "+c.key)
	assert.Equal(t, http.StatusForbidden, page.status)
	assert.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'", "what is shown instead is a page too")
	c.stop()
	assertNever(t, c.log.String(), c.key)
}

// Whoever only asks whether there is a page learns what whoever asks for it does.
func TestTheHeadOfAPageIsThatOfThePage(t *testing.T) {
	t.Parallel()
	s := serve(t, "--auth=keys", "--database-url", pgtest.URL(t))
	for _, path := range []string{"/", "/admin", "/admin/keys", "/admin/jobs", "/users/" + uuid.NewString(), "/login", "/v1/keys", "/metrics", "/nowhere"} {
		got, head := s.with("", http.MethodGet, path, "", ""), s.with("", http.MethodHead, path, "", "")
		assert.Equal(t, got.status, head.status, path)
		assert.Equal(t, got.header.Get("Location"), head.header.Get("Location"), path)
		assert.Empty(t, head.body, path)
	}
}

func TestNothingIsServedThatNobodyMeantTo(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for _, path := range []string{
		"/.git/config", "/.env", "/debug/pprof/", "/debug/vars", "/static/", "/static/../../go.mod", "/static/%2e%2e/templates/start.html",
		"/docs/%2e%2e/%2e%2e/etc/passwd", "/v2/rebuilds", "/v1/", "/admin/static", "/server-status",
	} {
		assert.Equal(t, http.StatusNotFound, s.try(http.MethodGet, path, "").status, path)
	}
	for _, method := range []string{http.MethodTrace, http.MethodPut, "DEBUG"} {
		got := s.try(method, "/v1/rebuilds", "")
		assert.Equal(t, http.StatusMethodNotAllowed, got.status, method)
	}
	asked := s.try(http.MethodOptions, "/v1/rebuilds", "", "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "GET")
	read := s.try(http.MethodGet, "/v1/rebuilds", "", "Origin", "https://elsewhere.example")
	for _, got := range []answer{asked, read} {
		for name := range got.header {
			assert.False(t, strings.HasPrefix(name, "Access-Control-"), "no page of another site may read anything: %s", name)
		}
		assert.Empty(t, got.header.Get("Server"))
	}
}
