package api

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
)

// withAllPages returns a server that has all possible pages.
func withAllPages(t *testing.T) (*server, *chi.Mux) {
	t.Helper()
	config := newConfig(errAway)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	config.Pages = Pages{
		Static: handler, Start: handler, FindUser: handler, Learner: handler, Void: handler, ChangeSettings: handler, Erase: handler,
		Operator: handler, RequestRebuild: handler, RequestRezone: handler, RequestPurge: handler, CancelRebuild: handler, CancelWaiting: handler, ResumeQueue: handler, Audit: handler, Jobs: handler,
		StreakBadge: handler, CalendarBadge: handler, ListShareLinks: handler, CreateShareLink: handler, RevokeShareLink: handler,
		ListKeys: handler, CreateKey: handler, RotateKey: handler, RevokeKey: handler,
		LogIn: handler, LogInWithKey: handler, StartLogin: handler, FinishLogin: handler, LogOut: handler,
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
	documented := documentedErrors(t, s)
	for _, r := range s.routes() {
		name := r.method + " " + r.path
		statuses, ok := documented[name]
		delete(documented, name)
		if !ok && !strings.HasPrefix(r.path, "/v1/") {
			continue // pages and the like aren't documented
		}
		want := []int{http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusInternalServerError}
		if r.needs != access.Open {
			want = append(want, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable)
		}
		if strings.Contains(r.path, "{user_id}") {
			want = append(want, http.StatusNotFound) // as somebody else's
		}
		for _, kind := range r.problems {
			want = append(want, kind.Status)
		}
		slices.Sort(want)
		assert.Equal(t, slices.Compact(want), statuses, name)
	}
	assert.Empty(t, documented, "everything that is documented is in the table")
}

// documentedErrors returns the statuses of the errors of each documented operation, by
// its method and path.
func documentedErrors(t *testing.T, s *server) map[string][]int {
	t.Helper()
	documented := make(map[string][]int)
	for path, item := range s.api.OpenAPI().Paths {
		for method, operation := range map[string]*huma.Operation{
			http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodDelete: item.Delete,
		} {
			if operation == nil {
				continue
			}
			statuses := []int{}
			for text := range operation.Responses {
				status, err := strconv.Atoi(text)
				require.NoError(t, err)
				if status >= http.StatusBadRequest {
					statuses = append(statuses, status)
				}
			}
			slices.Sort(statuses)
			documented[method+" "+path] = statuses
		}
	}
	return documented
}

func TestProblemsThatTheTableLacksAreUnexpected(t *testing.T) {
	t.Parallel()
	s, _ := withAllPages(t)
	for _, test := range []struct {
		method, pattern string
		status          int
		want            bool
	}{
		{http.MethodGet, "/v1/verifications", http.StatusServiceUnavailable, true},
		{http.MethodHead, "/v1/verifications", http.StatusServiceUnavailable, true},
		{http.MethodGet, "/v1/verifications", http.StatusUnprocessableEntity, true},
		{http.MethodGet, "/v1/verifications", http.StatusNotFound, false},
		{http.MethodPost, RecordPath, http.StatusConflict, true},
		{http.MethodPost, RecordPath, http.StatusNotFound, false},
		{http.MethodPut, JobsPath + "/*", http.StatusConflict, true},
		{http.MethodPut, JobsPath + "/*", http.StatusBadGateway, false},
		{http.MethodGet, unmatched, http.StatusNotFound, true},
	} {
		assert.Equal(t, test.want, s.isExpected(test.method, test.pattern, test.status), "%+v", test)
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
	for _, timestamp := range []string{"1999-12-31T23:59:59Z", "2000-01-01T01:00:00+05:00", "0001-01-01T00:00:00Z"} {
		early := strings.Replace(aLog, `}`, `,"timestamp":"`+timestamp+`"}`, 1)
		answer := serve(handler, http.MethodPost, RecordPath, mediaJSON, strings.NewReader(early))
		assert.Contains(t, answer.Body.String(), `"value":"`+timestamp+`"`)
	}
}

// The cells themselves are checked with a whole service: TestWhoMayDoWhat.
func TestEveryRouteHasCellsForEverybody(t *testing.T) {
	t.Parallel()
	s, _ := withAllPages(t)
	written, err := os.ReadFile("testdata/access.txt")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(written)), "\n")
	columns := len(strings.Fields(lines[0]))
	var rows, table []string
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		assert.Len(t, fields, 2+columns, line)
		rows = append(rows, fields[0]+" "+fields[1])
	}
	for _, r := range s.routes() {
		method := r.method
		if method == anyMethod {
			method = "ANY"
		}
		table = append(table, method+" "+r.path)
	}
	assert.Equal(t, table, rows, "a row for each line of the table of routes, in its order")
}
