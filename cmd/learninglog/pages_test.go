package main_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/demo"
	"learninglog/internal/pgtest"
)

func TestPagesAreCheapToLookAtAgain(t *testing.T) {
	t.Parallel()
	s := demoService(t)
	learner := demo.Learners()[0].ID
	path := "/users/" + learner.String()
	plain, compressed := s.get(path, "Accept-Encoding", "identity"), s.get(path, "Accept-Encoding", "gzip")
	require.Equal(t, http.StatusOK, plain.status)
	unpacked, err := gzip.NewReader(bytes.NewReader(compressed.body))
	require.NoError(t, err)
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	assert.Equal(t, string(plain.body), string(text))
	assert.Less(t, len(compressed.body), 100_000)
	assert.NotEqual(t, plain.header.Get("ETag"), compressed.header.Get("ETag"), "they are other bytes")
	for _, got := range []answer{plain, compressed} {
		assert.NotContains(t, got.header.Get("ETag"), "W/")
		assert.Equal(t, "private, no-cache", got.header.Get("Cache-Control"))
		assert.Equal(t, []string{"Accept-Encoding", "Accept-Language"}, got.header.Values("Vary"))
		assert.Contains(t, got.header.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
		again := s.get(path, "Accept-Encoding", got.header.Get("Content-Encoding"), "If-None-Match", got.header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, again.status)
		assert.Empty(t, again.body)
	}
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(learner, 1))
	assert.Equal(t, http.StatusOK, s.get(path, "If-None-Match", compressed.header.Get("ETag")).status, "it has changed")
	assert.Equal(t, http.StatusOK, s.get(path, "If-None-Match", plain.header.Get("ETag")).status)

	files := regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`).FindAllStringSubmatch(string(plain.body), -1)
	require.NotEmpty(t, files)
	for _, file := range files {
		assert.Regexp(t, `\.[0-9a-f]{12}\.\w+$`, file[1])
		for _, encoding := range []string{"gzip", "identity", "gzip;q=0"} {
			got := s.get(file[1], "Accept-Encoding", encoding)
			assert.Equal(t, http.StatusOK, got.status)
			assert.Equal(t, "public, max-age=31536000, immutable", got.header.Get("Cache-Control"))
			assert.Equal(t, strings.TrimSuffix(encoding, "identity") == "gzip", got.header.Get("Content-Encoding") == "gzip", encoding)
		}
	}
	assert.Equal(t, http.StatusNotFound, s.get("/static/style.000000000000.css").status)
}

func TestPagesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := "/users/" + uuid.NewString()
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/users/me":                                   {http.StatusNotFound, "There is no such learner"},
		user + "?by=year":                             {http.StatusUnprocessableEntity, "day, week or month"},
		user + "?from=2026-02-30":                     {http.StatusUnprocessableEntity, "must be a date"},
		user + "?from=1900-01-01":                     {http.StatusUnprocessableEntity, "too long"},
		user + "?after=x":                             {http.StatusUnprocessableEntity, "after"},
		user + "?year=-1":                             {http.StatusUnprocessableEntity, "year"},
		"/users?id=<script>alert(1)</script>":         {http.StatusUnprocessableEntity, "&lt;script&gt;"},
		"/users?id=0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1": {http.StatusUnprocessableEntity, "UUID"},
	} {
		got := s.get(path)
		assert.Equal(t, want.status, got.status, path)
		assert.Contains(t, string(got.body), want.says, path)
		assert.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"), path)
		assert.NotContains(t, string(got.body), "<script>", path)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, s.mustAnswer(http.MethodPost, user, "").status)
}

// A Host header can't inject anything into the command line that a page shows.
func TestTheLineToPasteIsHarmless(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	path := "/users/" + uuid.NewString()
	assert.Contains(t, string(s.get(path).body), "curl "+s.base+"/v1/learning-logs")
	for _, host := range []string{"a;rm -rf ~", "$(id)", "a'b", "a b"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+path, nil)
		require.NoError(t, err)
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue // the client refuses to send this
		}
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		if response.StatusCode == http.StatusOK {
			assert.Contains(t, string(text), "curl http://localhost/v1/learning-logs", host)
		}
	}
}

func TestOnlyPagesOfOursChangeAnything(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for _, path := range []string{"/admin/rebuilds", "/admin/rebuilds/1/cancel", "/v1/rebuilds", "/v1/learning-logs"} {
		refused := s.browse(http.MethodPost, path, "https://elsewhere.example", "")
		assert.Equal(t, http.StatusForbidden, refused.status, path)
		if strings.HasPrefix(path, "/v1/") {
			assert.Equal(t, "/problems/other-site", refused.problem(t).Type)
		} else {
			assert.Contains(t, string(refused.body), "<h1>", "a browser shows a page")
		}
	}
	var list struct{ Rebuilds []any }
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds", "").decode(t, &list)
	before := len(list.Rebuilds)
	form := s.browse(http.MethodPost, "/admin/rebuilds", s.base, "")
	assert.Equal(t, http.StatusOK, form.status, "it leads back to the page")
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds", "").decode(t, &list)
	assert.Len(t, list.Rebuilds, before+1)
	assert.Equal(t, http.StatusNotFound, s.browse(http.MethodPost, "/admin/rebuilds/99/cancel", s.base, "").status)
}

func TestPagesWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := serve(t, "--data-dir", dir)
	path := "/users/" + uuid.NewString()
	require.Equal(t, http.StatusOK, s.get(path).status)
	// Without its data, the database can't be restarted.
	data, away := filepath.Join(dir, "data"), filepath.Join(dir, "data.away")
	pid := postmaster(t, dir)
	require.NoError(t, os.Rename(data, away))
	killProcess(t, pid)
	for _, path := range []string{path, "/admin"} {
		require.Eventually(t, func() bool { return s.get(path).status == http.StatusServiceUnavailable }, eventually, often, path)
		got := s.get(path)
		assert.Contains(t, string(got.body), `http-equiv="refresh"`, path)
		assert.NotContains(t, string(got.body), "/run/.s.PGSQL", "it tells nobody where the database is")
	}
	require.NoError(t, os.Rename(away, data))
	require.Eventually(t, func() bool { return s.get(path).status == http.StatusOK }, eventually, often)
}

func TestDemoOnlyInAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--demo", "--database-url", databaseURL)
	assert.Contains(t, string(s.get("/users/"+demo.Learners()[0].ID.String()).body), `class="chart"`)
	start := string(s.get("/").body)
	for _, learner := range demo.Learners() {
		assert.Contains(t, start, "<bdi>"+learner.Settings.DisplayName+"</bdi>")
	}
	s.stop()
	_, stderr, status := run(t, "serve", "--demo", "--addr", "127.0.0.1:0", "--database-url", databaseURL)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "there are learning logs already")
	_, stderr, status = run(t, "verify", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
}
