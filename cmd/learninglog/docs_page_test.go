package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

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
	b.tryOut("/readyz", `"ready"`)
	b.tryOut("/v1/learning-logs", `"recorded_at"`)
	b.screenshot("docs")
}

// tryOut executes an operation in Swagger UI, with the values of the examples.
func (b *tab) tryOut(path, answer string) {
	b.t.Helper()
	operation := fmt.Sprintf(`[...document.querySelectorAll(".opblock")].find((block) => block.querySelector("[data-path='%s']"))`, path)
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
		assert.Equal(t, []string{"same-origin"}, got.header.Values("Referrer-Policy"), path)
		assert.Equal(t, []string{"same-origin"}, got.header.Values("Cross-Origin-Resource-Policy"), path)
		assert.Contains(t, got.header.Get("Permissions-Policy"), "geolocation=()", path)
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
