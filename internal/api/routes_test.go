package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withAllPages returns a server that has all possible pages.
func withAllPages(t *testing.T) (*server, *chi.Mux) {
	t.Helper()
	config := newConfig(errAway)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	config.Pages = Pages{
		Static: handler, Start: handler, FindUser: handler, Learner: handler,
		Operator: handler, RequestRebuild: handler, CancelRebuild: handler, Jobs: handler,
	}
	s, router, err := newServer(config)
	require.NoError(t, err)
	return s, router
}

func TestWhatIsServedIsInTheTable(t *testing.T) {
	t.Parallel()
	s, router := withAllPages(t)
	var table, served []string
	for _, r := range s.routes() {
		assert.NotEmpty(t, r.needs, "%s says what a caller needs", r.path)
		if r.method == anyMethod {
			table = append(table, "any "+r.path)
		} else {
			table = append(table, r.method+" "+r.path)
		}
	}
	require.NoError(t, chi.Walk(router, func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if slices.Contains(table, "any "+path) {
			method = "any"
		}
		served = append(served, method+" "+path)
		return nil
	}))
	slices.Sort(table)
	slices.Sort(served)
	assert.Equal(t, table, slices.Compact(served))
}

func TestTheDocumentIsMadeFromTheTable(t *testing.T) {
	t.Parallel()
	s, _ := withAllPages(t)
	documented := s.api.OpenAPI().Paths
	for _, r := range s.routes() {
		if !strings.HasPrefix(r.path, "/v1/") {
			continue
		}
		item := documented[r.path]
		require.NotNil(t, item, r.path)
		operation := map[string]any{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodDelete: item.Delete,
		}[r.method]
		assert.NotNil(t, operation, "%s %s", r.method, r.path)
	}
}

// Without pages, the API exists, and / redirects to its docs.
func TestPagesMayBeLeftOut(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, nil)
	start := serve(handler, http.MethodGet, "/", "", nil)
	assert.Equal(t, http.StatusFound, start.Code)
	assert.Equal(t, "/docs/", start.Header().Get("Location"))
	for _, path := range []string{"/users/" + aUser, "/admin", "/admin/", JobsPath, "/static/style.css"} {
		assert.Equal(t, http.StatusNotFound, serve(handler, http.MethodGet, path, "", nil).Code, path)
	}
}

func TestAnUnknownParameterHasNoValue(t *testing.T) {
	t.Parallel()
	answer := serve(newHandler(t, nil), http.MethodGet, "/v1/users/"+aUser+"/summary?form=2026-01-01", "", nil)
	assert.Equal(t, http.StatusUnprocessableEntity, answer.Code)
	assert.Contains(t, answer.Body.String(), `"query.form"`)
	assert.NotContains(t, answer.Body.String(), `"value"`)
}

// A value that is out of bounds is shown, like a value of the wrong type.
func TestAValueThatIsOutOfBoundsIsShown(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	for _, wrong := range []string{`"word_count":-3`, `"word_count":2.5`, `"word_count":1000001`} {
		log := strings.Replace(aLog, `"word_count":12`, wrong, 1)
		shown := `"value":` + strings.TrimPrefix(wrong, `"word_count":`)
		assert.Contains(t, serve(handler, http.MethodPost, RecordPath, mediaJSON, strings.NewReader(log)).Body.String(), shown)
		assert.Contains(t, serve(handler, http.MethodPost, batchPath, mediaJSON, strings.NewReader("["+log+"]")).Body.String(), shown)
	}
	early := strings.Replace(aLog, `}`, `,"timestamp":"1999-12-31T23:59:59Z"}`, 1)
	answer := serve(handler, http.MethodPost, RecordPath, mediaJSON, strings.NewReader(early))
	assert.Contains(t, answer.Body.String(), `"value":"1999-12-31T23:59:59Z"`)
}
