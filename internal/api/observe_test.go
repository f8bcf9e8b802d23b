package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/metrics"
)

// requests records observed requests as "method route status".
type requests struct {
	begun, ended int
	answers      []string
}

func (r *requests) Begun() { r.begun++ }

func (r *requests) Ended(route, method string, status int, _ time.Duration) {
	r.ended++
	r.answers = append(r.answers, method+" "+route+" "+http.StatusText(status))
}

func TestRequestsAreToldApartByRoute(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ method, target, body, want string }{
		{"POST", "/v1/learning-logs", "{", "POST /v1/learning-logs Bad Request"},
		{"POST", "/v1/learning-logs", aLog, "POST /v1/learning-logs Service Unavailable"},
		{"POST", "/v1/learning-logs?on_duplicate=maybe", aLog, "POST /v1/learning-logs Unprocessable Entity"},
		{"GET", "/v1/users/" + aUser + "/summary", "", "GET /v1/users/{user_id}/summary Service Unavailable"},
		{"GET", "/v1/users/me/summary", "", "GET /v1/users/{user_id}/summary Unprocessable Entity"},
		{"HEAD", "/healthz", "", "HEAD /healthz OK"},
		{"GET", "/docs/swagger-ui.css", "", "GET /docs/* OK"},
		{"GET", "/", "", "GET / Found"},
		{"GET", "/metrics", "", "GET /metrics OK"},
		{"GET", "/nowhere/" + aUser, "", "GET unmatched Not Found"},
		{"PATCH", "/healthz", "", "PATCH unmatched Method Not Allowed"},
		{"BREW", "/healthz", "", "other unmatched Method Not Allowed"},
		{"GET", "/healthz?a=1&a=2", "", "GET /healthz Unprocessable Entity"},
	} {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			t.Parallel()
			observed := new(requests)
			config := newConfig(errAway)
			config.Requests = observed
			handler, err := New(config)
			assert.NoError(t, err)

			serve(handler, test.method, test.target, "", strings.NewReader(test.body))

			assert.Equal(t, []string{test.want}, observed.answers)
			assert.Equal(t, []int{1, 1}, []int{observed.begun, observed.ended})
		})
	}
}

func TestRequestsThatPanicHaveEnded(t *testing.T) {
	t.Parallel()
	observed := new(requests)
	router := panicking(observed)

	serve(router, http.MethodGet, "/", "", nil)
	assert.Panics(t, func() { serve(router, http.MethodGet, "/abort", "", nil) })
	assert.Panics(t, func() { serve(router, http.MethodGet, "/begun", "", nil) })

	assert.Equal(t, []string{"GET / Internal Server Error", "GET /abort ", "GET /begun "}, observed.answers)
	assert.Equal(t, 3, observed.begun)
}

// An outage is logged, but not once for each of tens of thousands of requests.
func TestAnOutageIsLoggedNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		config := newConfig(errAway)
		config.Logger = slog.New(slog.NewTextHandler(log, nil)) // level info and above
		config.Problems = newProblems(config.Logger)
		handler, err := New(config)
		require.NoError(t, err)
		for range 3 {
			for range 100 {
				serve(handler, http.MethodPost, "/v1/learning-logs", "", strings.NewReader(aLog))
				serve(handler, http.MethodPost, batchPath, "", strings.NewReader("["+aLog+"]"))
			}
			time.Sleep(time.Second)
		}
		assert.Equal(t, 3, strings.Count(log.String(), "\n"), "%s", log)
		assert.Equal(t, 3, strings.Count(log.String(), "the database is unavailable"), "%s", log)
	})
}

// A client that closes the connection is not an outage.
func TestReadsWhoseClientIsGoneAreBrokenOff(t *testing.T) {
	t.Parallel()
	observed, log := new(requests), new(logBuffer)
	config := newConfig(context.Canceled) // as a database fails then
	config.Requests = observed
	config.Logger = slog.New(slog.NewTextHandler(log, nil))
	config.Problems = newProblems(config.Logger)
	handler, err := New(config)
	require.NoError(t, err)
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()

	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/v1/users/"+aUser+"/summary", nil))

	assert.Equal(t, []string{"GET /v1/users/{user_id}/summary "}, observed.answers)
	assert.Empty(t, log.String(), "it is not worth a line")
}

// BenchmarkObserve measures the cost of metrics, and of disabled logging, per
// request.
func BenchmarkObserve(b *testing.B) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	for name, observer := range map[string]RequestObserver{
		"nobody":  nobody{},
		"metrics": metrics.NewRequests(prometheus.NewRegistry()),
	} {
		b.Run(name, func(b *testing.B) {
			s := &server{Config: Config{Requests: observer, AllowedHosts: []string{"*"}, Logger: slog.New(slog.DiscardHandler)}}
			router := chi.NewMux()
			router.Use(s.observe)
			router.Method(http.MethodPost, "/v1/learning-logs", answer)
			request := httptest.NewRequest(http.MethodPost, "/v1/learning-logs", nil)
			b.ReportAllocs()
			for b.Loop() {
				router.ServeHTTP(discard{}, request)
			}
		})
	}
}

// discard is a response that discards everything.
type discard struct{}

func (discard) Header() http.Header            { return nil }
func (discard) Write(text []byte) (int, error) { return io.Discard.Write(text) }
func (discard) WriteHeader(int)                {}
