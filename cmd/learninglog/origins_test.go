package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

// The app is on another port of the same host, so a browser would send it the cookies of
// whoever is logged in at the service.
func TestAWebAppOfAnAllowedOriginPostsWithAKey(t *testing.T) {
	t.Parallel()
	app, stranger := serveEmptyPages(t), serveEmptyPages(t)
	databaseURL, learner := pgtest.URL(t), uuid.New()
	_, key, err := access.NewKeys(pgtest.Open(t, databaseURL)).Create(t.Context(), access.NewKey{
		Name: "app", Scopes: []access.Scope{access.WriteLogs, access.ReadLogs}, UserID: &learner,
	})
	require.NoError(t, err)
	s := serve(t, "--auth=keys", "--allowed-origins="+app.URL, "--database-url", databaseURL)
	b := browse(t, s)
	for _, expected := range []string{"asked elsewhere", "status of 401", "status of 409", "CORS policy", "net::ERR_FAILED", "NotSameOrigin"} {
		b.expect(expected)
	}
	b.open("/login")
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=key]"), key))
	b.follow("main form button")
	log := newLog(learner, 12)
	path := fmt.Sprintf("/v1/users/%s/summary", learner)

	b.do(chromedp.Navigate(app.URL))
	assert.Equal(t, "201 /v1/users/"+learner.String(), b.fetch(s.base+"/v1/learning-logs", log, key)[:len("201 /v1/users/")+len(learner.String())], "the app may read headers, too")
	assert.Equal(t, "409 ", b.fetch(s.base+"/v1/learning-logs", log, key))
	assert.Equal(t, "200 ", b.fetch(s.base+path, "", key))
	assert.Equal(t, "401 ", b.fetch(s.base+path, "", ""))
	assert.Equal(t, "TypeError", b.fetch(s.base+"/users/"+learner.String(), "", ""), "pages aren't for apps")
	// A browser asks for this without asking before, and tells the page nothing.
	evaluate[string](b, fmt.Sprintf(`fetch(%q, {method: "POST", mode: "no-cors", credentials: "include", body: new Blob([%q])}).then((answer) => answer.type, (error) => error.name)`,
		s.base+"/v1/learning-logs", newLog(learner, 1)), chromedp.EvalAwaitPromise)

	b.do(chromedp.Navigate(stranger.URL))
	assert.Equal(t, "TypeError", b.fetch(s.base+"/v1/learning-logs", newLog(learner, 1), key))
	assert.Equal(t, "TypeError", b.fetch(s.base+path, "", key))
	s.key = key
	words, entries := s.total(learner)
	assert.Equal(t, []int{12, 1}, []int{words, entries}, "neither a session nor a stranger's page has recorded anything")
}

func TestAllowedOriginsAreOrigins(t *testing.T) {
	t.Parallel()
	_, stderr, status := run(t, "serve", "--allowed-origins=https://app.example.com/")
	assert.NotZero(t, status)
	assert.Contains(t, stderr, "--allowed-origins must be an origin as browsers send it")
}

// serveEmptyPages serves another site, with an empty page.
func serveEmptyPages(t *testing.T) *httptest.Server {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!DOCTYPE html><link rel="icon" href="data:,"><main></main>`))
	}))
	t.Cleanup(site.Close)
	return site
}

// fetch makes the page ask for an address, maybe with a key and a body. It
// returns the status and the Location of the answer, or the name of the error.
func (b *tab) fetch(address, body, key string) string {
	b.t.Helper()
	headers := `{"Content-Type": "application/json"}`
	if key != "" {
		headers = fmt.Sprintf(`{"Content-Type": "application/json", "Authorization": "Bearer %s"}`, key)
	}
	request := fmt.Sprintf(`{headers: %s}`, headers)
	if body != "" {
		request = fmt.Sprintf(`{headers: %s, method: "POST", body: %q}`, headers, body)
	}
	return evaluate[string](b, fmt.Sprintf(`fetch(%q, %s).then((answer) => answer.status + " " + (answer.headers.get("Location") ?? ""), (error) => error.name)`,
		address, request), chromedp.EvalAwaitPromise)
}
