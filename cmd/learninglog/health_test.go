package main_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/pgtest"
)

func TestHealthOfAServiceThatIsReady(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	_, stderr, status := run(t, "health", "--addr", strings.TrimPrefix(s.base, "http://"))
	assert.Zero(t, status, stderr)
}

func TestHealthSaysWhyAServiceIsNotReady(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	execute(t, databaseURL, `UPDATE learninglog_schema_migrations SET version = 1`)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>", http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	for address, says := range map[string]string{
		s.base:    "503 Service Unavailable: The database can't be reached, or is not migrated.",
		proxy.URL: "502 Bad Gateway\n",
	} {
		_, stderr, status := run(t, "health", "--addr", strings.TrimPrefix(address, "http://"))
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, "the service is not ready: "+says)
	}
}
