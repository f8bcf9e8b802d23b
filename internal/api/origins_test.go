package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/problem"
)

func TestAnOriginIsWrittenAsBrowsersSendIt(t *testing.T) {
	t.Parallel()
	for origin, right := range map[string]bool{
		"https://app.example.com":      true,
		"http://localhost:5173":        true,
		"http://[::1]:5173":            true,
		"https://app.example.com/":     false,
		"https://app.example.com/a":    false,
		"https://app.example.com?a":    false,
		"https://a:b@app.example.com":  false,
		"https://App.example.com":      false,
		"https://*.example.com":        false,
		"app.example.com":              false,
		"ftp://app.example.com":        false,
		"https://":                     false,
		"null":                         false,
		"*":                            false,
		"":                             false,
		"https://app.example.com#main": false,
	} {
		assert.Equal(t, right, CheckOrigin(origin) == nil, "%q", origin)
	}
}

const anOrigin = "https://app.example.com"

// fromOrigin returns the answer to a request of a page of another origin. Headers are given
// as name, value, name, value.
func fromOrigin(t *testing.T, origin, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	config := newConfig(errAway)
	config.AllowedOrigins = []string{anOrigin}
	handler, err := New(config)
	require.NoError(t, err)
	request := httptest.NewRequest(method, path, nil)
	request.Header.Set("Origin", origin)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func TestAPageOfAnAllowedOriginMayAskWithAKey(t *testing.T) {
	t.Parallel()
	before := fromOrigin(t, anOrigin, http.MethodOptions, RecordPath,
		"Access-Control-Request-Method", http.MethodPost, "Access-Control-Request-Headers", "authorization,content-type")
	assert.Equal(t, http.StatusNoContent, before.Code)
	assert.Equal(t, anOrigin, before.Header().Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "authorization,content-type", before.Header().Get("Access-Control-Allow-Headers"))
	assert.Equal(t, http.MethodPost, before.Header().Get("Access-Control-Allow-Methods"))
	assert.Empty(t, before.Header().Get("Access-Control-Allow-Credentials"))

	for _, method := range []string{http.MethodPost, http.MethodGet} {
		answer := fromOrigin(t, anOrigin, method, batchPath)
		assert.NotEqual(t, http.StatusForbidden, answer.Code, method)
		assert.Equal(t, anOrigin, answer.Header().Get("Access-Control-Allow-Origin"), "problems can be read, too")
		assert.Contains(t, answer.Header().Get("Access-Control-Expose-Headers"), "Retry-After")
		assert.Contains(t, answer.Header().Values("Vary"), "Origin")
	}
}

func TestPagesOfOtherOriginsAreRefusedAsEver(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{
		"https://evil.example", "null", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.example", "https://a.app.example.com",
	} {
		answer := fromOrigin(t, origin, http.MethodPost, RecordPath)
		assert.Equal(t, problem.OtherSite.Path(), problemOf(t, answer).Type, origin)
		assert.Empty(t, answer.Header().Get("Access-Control-Allow-Origin"), origin)
		before := fromOrigin(t, origin, http.MethodOptions, RecordPath, "Access-Control-Request-Method", http.MethodPost)
		assert.Equal(t, http.StatusMethodNotAllowed, before.Code, origin)
		assert.Empty(t, before.Header().Get("Access-Control-Allow-Origin"), origin)
		assert.Empty(t, fromOrigin(t, origin, http.MethodGet, "/v1/verifications").Header().Get("Access-Control-Allow-Origin"), origin)
	}
}

// The pages are for people, who have cookies.
func TestAnAllowedOriginIsOfNoUseForPages(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/admin/rebuilds", "/login", "/logout", "/v1"} {
		answer := fromOrigin(t, anOrigin, http.MethodPost, path)
		assert.Equal(t, problem.OtherSite.Path(), problemOf(t, answer).Type, path)
		assert.Empty(t, answer.Header().Get("Access-Control-Allow-Origin"), path)
	}
	assert.Empty(t, fromOrigin(t, anOrigin, http.MethodGet, "/").Header().Get("Access-Control-Allow-Origin"))
}
