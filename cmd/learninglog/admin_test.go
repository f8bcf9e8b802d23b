package main_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// browse sends the request that a browser sends for a page of the given origin.
func (s *service) browse(method, path, origin, body string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, s.base+path, strings.NewReader(body))
	require.NoError(s.t, err)
	request.Header.Set("Accept", "text/html,application/json,*/*")
	request.Header.Set("Content-Type", "application/json")
	if origin != "" {
		request.Header.Set("Origin", origin)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return answer{status: response.StatusCode, header: response.Header, body: text}
}

func TestJobPages(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	assert.Contains(t, s.greeted, s.base+"/admin")
	id := s.beginRebuild(databaseURL)

	page := s.browse(http.MethodGet, "/admin/jobs", "", "")
	require.Equal(t, http.StatusOK, page.status)
	assert.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'self'", "nothing is loaded from elsewhere")
	assets := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page.body), -1)
	require.NotEmpty(t, assets)
	for _, asset := range assets {
		assert.Equal(t, http.StatusOK, s.browse(http.MethodGet, asset[1], "", "").status, asset[1])
	}
	jobs := s.browse(http.MethodGet, "/admin/jobs/api/jobs?state=running&kinds=rebuild&kinds=other&limit=20", "", "")
	require.Equal(t, http.StatusOK, jobs.status, "%s", jobs.body)
	assert.Contains(t, string(jobs.body), `"kind":"rebuild"`)

	const cancel, body = "/admin/jobs/api/jobs/cancel", `{"ids":["1"]}`
	refused := s.browse(http.MethodPost, cancel, "https://elsewhere.example", body)
	assert.Equal(t, http.StatusForbidden, refused.status, "a page of another site does nothing here")
	assert.Nil(t, s.rebuild(id).CancelRequestedAt)
	assert.Equal(t, http.StatusOK, s.browse(http.MethodPost, cancel, s.base, body).status)
	require.Eventually(t, func() bool { return s.rebuild(id).State == "cancelled" }, eventually, often)
}

// What River UI would panic at, or fail at in the database, is refused before it.
func TestJobPagesRefuseWhatTheyCannotDigest(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for path, status := range map[string]int{
		"/admin/jobs/api/jobs?limit=0":      http.StatusUnprocessableEntity,
		"/admin/jobs/api/jobs?kinds=%00":    http.StatusUnprocessableEntity,
		"/admin/jobs/api/queues/%ff":        http.StatusNotFound,
		"/admin/jobs/api/jobs/99":           http.StatusNotFound,
		"/admin/jobs/%ff":                   http.StatusNotFound,
		"/admin/jobs/api/workflows/nothing": http.StatusNotFound,
	} {
		assert.Equal(t, status, s.mustCall(status, http.MethodGet, path, "").problem(t).Status, path)
	}
	s.mustCall(http.StatusMethodNotAllowed, http.MethodPatch, "/admin/jobs/api/queues/routine", "{}").problem(t)
	s.stop()
	assertNever(t, s.log.String(), "level=ERROR")
}

func TestAdminPagesCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t), "--admin=false")
	assert.NotContains(t, s.greeted, "/admin")
	for _, path := range []string{"/admin", "/admin/jobs/", "/admin/jobs/api/jobs"} {
		got := s.mustCall(http.StatusNotFound, http.MethodGet, path, "")
		assert.Equal(t, "/problems/not-found", got.problem(t).Type)
	}
}
