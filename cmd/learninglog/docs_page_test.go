package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// Swagger UI works with a policy that lets it load, and call, this service alone.
func TestTheAPICanBeTriedInItsDocs(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	b.do(chromedp.Navigate(b.base + "/docs/"))
	b.waitFor("#swagger-ui .opblock-get")
	b.expect("inline script")
	assert.False(t, evaluate[bool](b, `(() => {
		const script = document.createElement("script");
		script.textContent = "window.ran = true";
		document.body.append(script);
		return window.ran === true;
	})()`), "no script is run that isn't a file")
	b.tryOut("get", "/readyz", `"ready"`)
	b.tryOut("post", "/v1/learning-logs", "location: /v1/users/")
	b.tryOut("post", "/v1/learning-logs/batch", `"outcome": "already_recorded"`)
	b.tryOut("get", "/v1/users/{user_id}/learning-logs/{request_id}", `"recorded_at"`)
	b.tryOut("delete", "/v1/users/{user_id}/learning-logs/{request_id}", `"voided_at"`)
	b.screenshot("docs-tried")
}

// Somebody has posted the log of the examples before, as the tour does, and somebody else has
// tried it out.
func TestWhatIsTriedInTheDocsIsNew(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	var user struct {
		ID uuid.UUID `json:"user_id"`
	}
	log, err := json.Marshal(apiDocument.find("/paths/~1v1~1learning-logs/post/requestBody/content/application~1json/examples/log/value"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(log, &user))
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", string(log))
	b := browse(t, s)
	for entries := 2; entries <= 3; entries++ {
		b.do(chromedp.Navigate(b.base + "/docs/"))
		b.tryOut("post", "/v1/learning-logs", "location: /v1/users/")
		_, got := s.sums(user.ID, "?granularity=total")
		assert.Equal(t, entries, got)
	}
}

func TestTheDocsFitEveryScreen(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	b := browse(t, s)
	look := func(name string, prepare func()) {
		prepare()
		b.do(chromedp.Navigate(b.base + "/docs/"))
		b.waitFor("#swagger-ui .opblock-get")
		b.waitFor("#swagger-ui .info table")
		b.screenshot(name)
	}
	const desktop, height = 1280, 900
	look("docs-phone", b.narrow)
	b.fits()
	look("docs", func() { b.do(chromedp.EmulateViewport(desktop, height)) })
	b.waitFor("#operations-tag-Learning_logs")
	version, _, _ := run(t, "version")
	assert.Equal(t, strings.Fields(version)[1], b.text(".info .version"))
	look("docs-dark", b.dark)
	look("docs-dark-phone", b.narrow)
	b.fits()
	b.follow(".brand")
	assert.Equal(t, "/", b.path(), "it leads back")
}

// tryOut executes an operation in Swagger UI, with the values of the examples.
func (b *tab) tryOut(method, path, answer string) {
	b.t.Helper()
	operation := fmt.Sprintf(`[...document.querySelectorAll(".opblock-%s")].find((block) => block.querySelector("[data-path='%s']"))`, method, path)
	for _, control := range []string{".opblock-summary-control", ".try-out__btn", ".execute"} {
		found := fmt.Sprintf(`%s?.querySelector(%q)`, operation, control)
		b.until(found)
		evaluate[any](b, found+".click()")
	}
	b.until(fmt.Sprintf(`%s.querySelector(".live-responses-table")?.innerText.includes(%q)`, operation, answer))
}

// Whatever is answered, no browser takes it for anything else, or shows it within a page of
// another site.
func TestNothingIsSniffedOrFramed(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for _, path := range []string{
		"/", "/admin", "/admin/jobs/", "/admin/jobs/robots.txt", "/admin/jobs/api/jobs", "/admin/jobs/api/jobs?limit=0", "/admin/jobs/%ff",
		"/metrics", "/docs", "/docs/", "/docs/swagger-ui.css", "/docs/nothing", "/static/nothing", "/openapi.json", "/problems/conflict", "/healthz",
		"/v1/rebuilds", "/v1/rebuilds/99", "/v1/rebuilds?a=1&a=2", "/nowhere",
	} {
		got := s.mustAnswer(http.MethodGet, path, "")
		assert.Equal(t, []string{"nosniff"}, got.header.Values("X-Content-Type-Options"), path)
		assert.Equal(t, []string{"DENY"}, got.header.Values("X-Frame-Options"), path)
		assert.Equal(t, []string{"same-origin"}, got.header.Values("Cross-Origin-Resource-Policy"), path)
		if !strings.HasPrefix(path, "/v1/") { // whose answers lead nowhere and run nothing
			assert.Equal(t, []string{"same-origin"}, got.header.Values("Referrer-Policy"), path)
			assert.Contains(t, got.header.Get("Permissions-Policy"), "geolocation=()", path)
		}
		if strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			assert.Contains(t, got.header.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		}
		if got.status >= http.StatusBadRequest {
			assert.Equal(t, got.status, got.problem(t).Status, path)
		}
	}
	for method, path := range map[string]string{"PATCH": "/healthz", "POST": "/static/nothing", "PUT": "/docs/start.js"} {
		got := s.mustCall(http.StatusMethodNotAllowed, method, path, "")
		assert.Equal(t, []string{"nosniff"}, got.header.Values("X-Content-Type-Options"), path)
		got.problem(t)
	}
	refused := s.browse(http.MethodPost, "/v1/rebuilds", "https://elsewhere.example", "")
	assert.Equal(t, "nosniff", refused.header.Get("X-Content-Type-Options"))
}
