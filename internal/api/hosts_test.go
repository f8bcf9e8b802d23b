package api

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/problem"
)

func TestOnlyKnownHostsAreServed(t *testing.T) {
	t.Parallel()
	for host, allowed := range map[string]bool{
		"localhost":                true,
		"LocalHost:8080":           true,
		"localhost.":               true,
		"learn.localhost:8080":     true,
		"127.0.0.1:8080":           true,
		"192.0.2.1":                true,
		"[::1]:8080":               true,
		"[2001:db8::1]":            true,
		"":                         true,
		"learn.example.com":        true,
		"LEARN.example.com:443":    true,
		"a.apps.example.org":       true,
		"evil.example":             false,
		"localhost.evil.example":   false,
		"127.0.0.1.evil.example":   false,
		"evillocalhost":            false,
		"example.com":              false,
		"learn.example.com.evil":   false,
		"apps.example.org":         false,
		"evil.example:8080":        false,
		"evil.example@127.0.0.1":   false,
		"127.0.0.1:8080:127.0.0.1": false,
		"[fe80::1%evil.example]":   false,
		"[[[127.0.0.1":             false,
	} {
		assert.Equal(t, allowed, isAllowed(host, []string{"Learn.example.com", "*.apps.example.org"}), "%q", host)
	}
	assert.True(t, isAllowed("evil.example", []string{"*"}))
}

func TestAPageOfAnotherSiteThatPointsItsNameHereGetsNothing(t *testing.T) {
	t.Parallel()
	config := newConfig(errAway)
	handler, err := New(config)
	require.NoError(t, err)
	for _, path := range []string{"/", "/v1/rebuilds", RecordPath, "/admin", "/docs/", "/nothing"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			request := httptest.NewRequest(method, path, nil)
			request.Host = "evil.example"
			request.Header.Set("Origin", "http://evil.example")
			answer := httptest.NewRecorder()

			handler.ServeHTTP(answer, request)

			assert.Equal(t, http.StatusForbidden, answer.Code, "%s %s", method, path)
			assert.Equal(t, problem.OtherHost.Path(), problemOf(t, answer).Type)
		}
	}
}

func TestCheckHost(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"learn.example.com", "*.example.com", "*", "learninglog"} {
		assert.NoError(t, CheckHost(name), name)
	}
	for _, name := range []string{"", "https://learn.example.com", "learn.example.com:443", "a b", "*example.com", "*.", "a.*.com"} {
		assert.Error(t, CheckHost(name), name)
	}
}
