package jobpages_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/audit"
	"learninglog/internal/jobpages"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/problem"
	"learninglog/rollup/rebuild"
)

const path = "/admin/jobs"

var errAway = errors.New("it is away")

// scene has the pages about the jobs of a database. Nobody works on the jobs.
type scene struct {
	*jobpages.Pages

	jobs *rebuild.Jobs
	pool *pgxpool.Pool
}

func newScene(t testing.TB, ready func(context.Context) error) scene {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	pool := pgtest.Pool(t)
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{Schema: postgres.RiverSchema, Logger: quiet})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), `
		INSERT INTO `+postgres.RiverSchema+`.river_queue (name, updated_at) VALUES ('default', now()), ('routine', now())`)
	require.NoError(t, err)
	isAway := func(err error) bool { return errors.Is(err, errAway) }
	pages, err := jobpages.New(jobpages.Config{
		Client:   jobs.Client(),
		Path:     path,
		Back:     "/admin",
		Ready:    ready,
		Trail:    audit.New(pool, quiet),
		Problems: problem.NewTable(isAway, func() time.Duration { return 0 }, quiet),
		Logger:   quiet,
	})
	require.NoError(t, err)
	return scene{Pages: pages, jobs: jobs, pool: pool}
}

func ready(context.Context) error { return nil }

// request inserts a rebuild of one user, which waits.
func (s scene) request(t testing.TB) int64 {
	t.Helper()
	requested, err := s.jobs.Request(t.Context(), rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{uuid.New()}}})
	require.NoError(t, err)
	return requested.ID
}

func (s scene) ask(method, target, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(context.Background(), method, path+target, strings.NewReader(body))
	request.Header.Set("Accept", "application/json")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	return answer
}

func problemOf(t testing.TB, answer *httptest.ResponseRecorder) problem.Problem {
	t.Helper()
	require.Equal(t, problem.MediaType, answer.Header().Get("Content-Type"), "%d %s", answer.Code, answer.Body)
	var wrong problem.Problem
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &wrong))
	require.Equal(t, wrong.Status, answer.Code)
	return wrong
}

func TestWhatRiverUICannotDigestIsRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	ids := func(count int) string {
		return `{"ids":[` + strings.TrimSuffix(strings.Repeat("1,", count), ",") + `]}`
	}
	for _, test := range []struct {
		method, target, body string
		want                 problem.Kind
		says                 string
	}{
		{"GET", "/api/jobs?limit=0", "", problem.Invalid, "from 1 to 1000"},
		{"GET", "/api/jobs?limit=-1", "", problem.Invalid, "from 1 to 1000"},
		{"GET", "/api/jobs?limit=1001", "", problem.Invalid, "from 1 to 1000"},
		{"GET", "/api/jobs?limit=ten", "", problem.Invalid, "query.limit"},
		{"GET", "/api/queues?limit=0", "", problem.Invalid, "query.limit"},
		{"GET", "/api/jobs?kinds=a&kinds=%00", "", problem.Invalid, "UTF-8"},
		{"GET", "/api/jobs?queues=%ff", "", problem.Invalid, "UTF-8"},
		{"GET", "/api/jobs?tags=%00", "", problem.Invalid, "UTF-8"},
		{"GET", "/api/jobs?%ff=1", "", problem.Invalid, "UTF-8"},
		{"GET", "/api/jobs?kinds=%zz", "", problem.Invalid, "name=value"},
		{"GET", "/api/jobs?state=waiting", "", problem.Invalid, "available"},
		{"GET", "/api/jobs/0", "", problem.Invalid, "JobID"},
		{"GET", "/api/jobs/99", "", problem.NotFound, "Job not found: 99."},
		{"GET", "/api/autocomplete?facet=job_kind&match=%00", "", problem.Invalid, "UTF-8"},
		{"GET", "/api/autocomplete?facet=job_kind&exclude=%ff", "", problem.Invalid, "UTF-8"},
		{"GET", "/api/autocomplete?facet=weather", "", problem.Invalid, "facet"},
		{"GET", "/api/health-checks/other", "", problem.NotFound, "minimal"},
		{"GET", "/api/queues/%00", "", problem.NotFound, ""},
		{"GET", "/api/queues/%ff", "", problem.NotFound, ""},
		{"GET", "/api/queues/other", "", problem.NotFound, "Queue not found: other."},
		{"PUT", "/api/queues/%ff/pause", "", problem.NotFound, ""},
		{"PUT", "/api/queues/other/resume", "", problem.NotFound, "Queue not found: other."},
		{"PATCH", "/api/queues/default", `{"concurrency":{"partition":{"by_args":["\u0000"]}}}`, problem.MethodNotAllowed, ""},
		{"POST", "/api/jobs", "", problem.MethodNotAllowed, ""},
		{"POST", "/api/jobs/cancel", "", problem.Unreadable, "JSON"},
		{"POST", "/api/jobs/cancel", "{", problem.Unreadable, "JSON"},
		{"POST", "/api/jobs/cancel", "{}", problem.Invalid, "body.ids"},
		{"POST", "/api/jobs/delete", `{"ids":7}`, problem.Invalid, "body.ids"},
		{"POST", "/api/jobs/delete", `{"ids":[]}`, problem.Invalid, "body.ids"},
		{"POST", "/api/jobs/delete", `{"ids":[1,"\"]}`, problem.Unreadable, "JSON"},
		{"POST", "/api/jobs/retry", `{"ids":[1,1.5]}`, problem.Invalid, "body.ids[1]"},
		{"POST", "/api/jobs/retry", `{"ids":[null]}`, problem.Invalid, "body.ids[0]"},
		{"POST", "/api/jobs/retry", `{"ids":["9223372036854775808"]}`, problem.Invalid, "body.ids[0]"},
		{"POST", "/api/jobs/retry", ids(1001), problem.Invalid, "1 to 1000"},
		{"POST", "/api/jobs/retry", ids(1000), problem.NotFound, "Job not found: 1."},
		{"POST", "/api/jobs/retry", strings.Repeat(" ", 1<<20), problem.TooLarge, "bytes"},
		{"GET", "/api", "", problem.NotFound, ""},
		{"GET", "/api/", "", problem.NotFound, ""},
		{"GET", "/api/pro/workflows", "", problem.NotFound, ""},
		{"GET", "/%ff", "", problem.NotFound, ""},
		{"GET", "/%00", "", problem.NotFound, ""},
		{"GET", "/assets/%ff.js", "", problem.NotFound, ""},
		{"GET", "/nothing", "", problem.NotFound, "HTML"},
		{"POST", "/", "", problem.MethodNotAllowed, ""},
		{"BREW", "/queues", "", problem.MethodNotAllowed, ""},
	} {
		answer := s.ask(test.method, test.target, test.body)
		if answer.Code == http.StatusTemporaryRedirect {
			answer = s.ask(test.method, strings.TrimPrefix(answer.Header().Get("Location"), path), test.body)
		}
		what := fmt.Sprintf("%s %s %.60s: %s", test.method, test.target, test.body, answer.Body)
		assert.Equal(t, test.want.Path(), problemOf(t, answer).Type, what)
		assert.Contains(t, answer.Body.String(), test.says, what)
		assert.Equal(t, answer.Code == http.StatusMethodNotAllowed, answer.Header().Get("Allow") != "", what)
	}
}

func TestWhatThePagesAskForIsAnswered(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	id := s.request(t)
	body := fmt.Sprintf(`{"ids":["%d"]}`, id)
	for _, test := range []struct{ method, target, body, says string }{
		{"GET", "/api/features", "", "extensions"},
		{"GET", "/api/version", "", "version"},
		{"GET", "/api/states", "", `"available":{"accuracy":"exact","count":1`},
		{"GET", "/api/health-checks/complete", "", "ok"},
		{"GET", "/api/autocomplete?facet=job_kind&match=build", "", `"rebuild"`},
		{"GET", "/api/autocomplete?facet=queue_name&match=&exclude=default", "", `"routine"`},
		{"GET", "/api/jobs?state=available&kinds=rebuild&queues=default&priorities=1&limit=20", "", fmt.Sprintf(`"id":%d`, id)},
		{"GET", fmt.Sprintf("/api/jobs?state=available&ids=%d", id), "", fmt.Sprintf(`"id":%d`, id)},
		{"GET", fmt.Sprintf("/api/jobs/%d", id), "", `"kind":"rebuild"`},
		{"GET", "/api/queues?limit=1000", "", `"name":"routine"`},
		{"GET", "/api/queues/routine", "", `"paused_at":null`},
		{"PUT", "/api/queues/routine/pause", "", "ok"},
		{"GET", "/api/queues/routine", "", `"paused_at":"`},
		{"PUT", "/api/queues/*/resume", "null", "ok"},
		{"POST", "/api/jobs/cancel", body, "ok"},
		{"POST", "/api/jobs/retry", body, "ok"},
		{"POST", "/api/jobs/delete", body, "ok"},
	} {
		answer := s.ask(test.method, test.target, test.body)
		assert.Equal(t, http.StatusOK, answer.Code, "%s %s: %s", test.method, test.target, answer.Body)
		assert.Contains(t, answer.Body.String(), test.says, test.target)
	}
}

// A header can't make River UI answer with a part of a file, or refuse it.
func TestFilesAreSentWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	for name, value := range map[string]string{
		"Range": "bytes=99999999-", "If-Match": `"other"`, "If-None-Match": "*", "Accept": "text/html, \x80",
	} {
		for _, target := range []string{"/robots.txt", "/icon.svg", "/jobs"} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+target, nil)
			request.Header.Set(name, value)
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, request)
			assert.Equal(t, http.StatusOK, answer.Code, "%s %s", name, target)
		}
	}
}

func TestAJobInTheWrongStateIsAConflict(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	running := s.request(t)
	_, err := s.pool.Exec(t.Context(), `UPDATE `+postgres.RiverSchema+`.river_job SET state = 'running', attempted_at = now()`)
	require.NoError(t, err)
	answer := s.ask(http.MethodPost, "/api/jobs/delete", fmt.Sprintf(`{"ids":[%d]}`, running))
	assert.Equal(t, problem.Conflict.Path(), problemOf(t, answer).Type)
	assert.Contains(t, problemOf(t, answer).Detail, "is running")

	user := rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{uuid.New()}}}
	first, err := s.jobs.Request(t.Context(), user)
	require.NoError(t, err)
	require.NoError(t, s.jobs.Cancel(t.Context(), first.ID))
	_, err = s.jobs.Request(t.Context(), user)
	require.NoError(t, err)
	answer = s.ask(http.MethodPost, "/api/jobs/retry", fmt.Sprintf(`{"ids":[%d]}`, first.ID))
	assert.Equal(t, problem.Conflict.Path(), problemOf(t, answer).Type)
	assert.Contains(t, problemOf(t, answer).Detail, "another active job")
}

func TestAnOutageOfTheDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(context.Context) error { return errAway })
	s.pool.Close()
	for _, test := range []struct{ method, target, body string }{
		{"GET", "/api/jobs", ""},
		{"GET", "/api/queues/default", ""},
		{"GET", "/api/health-checks/complete", ""},
		{"PUT", "/api/queues/default/pause", ""},
		{"POST", "/api/jobs/cancel", `{"ids":[1]}`},
	} {
		answer := s.ask(test.method, test.target, test.body)
		assert.Equal(t, problem.Unavailable.Path(), problemOf(t, answer).Type, test.target)
		assert.NotEmpty(t, answer.Header().Get("Retry-After"), test.target)
	}
}

// Requests that change the same jobs in another order don't deadlock.
func TestJobsAreChangedInOneOrder(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	var ids []int64
	for range 50 {
		ids = append(ids, s.request(t))
	}
	forwards, err := json.Marshal(map[string][]int64{"ids": ids})
	require.NoError(t, err)
	slices.Reverse(ids)
	backwards, err := json.Marshal(map[string][]int64{"ids": ids})
	require.NoError(t, err)
	var clients sync.WaitGroup
	for i := range 8 {
		body := [][]byte{forwards, backwards}[i%2]
		clients.Go(func() {
			for range 5 {
				answer := s.ask(http.MethodPost, "/api/jobs/retry", string(body))
				assert.Equal(t, http.StatusOK, answer.Code, "%s", answer.Body)
			}
		})
	}
	clients.Wait()
}

// Whatever is asked, River UI neither panics nor fails.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/", "", "text/html"},
		{"GET", "/jobs//1", "", "*/*"},
		{"GET", "/../jobs", "", "*/*"},
		{"HEAD", "/assets", "", ""},
		{"GET", "/index.html", "", "text/html"},
		{"GET", "/a%5Cb%0a", "", "text/html"},
		{"GET", "/%61pi/jobs?limit=0", "", ""},
		{"GET", "/api%2Fjobs?limit=0", "", ""},
		{"GET", "/assets/..%2f..%2findex.html", "", ""},
		{"CONNECT", "/api//jobs", "", ""},
		{"GET", "/api/jobs?limit=0&limit=1", "", ""},
		{"GET", "/api/jobs?limit=1&limit=0", "", ""},
		{"GET", "/api/jobs?limit=%2B1", "", ""},
		{"GET", "/api/jobs?ids=x&ids=-1&priorities=99999&priorities=&state=", "", ""},
		{"GET", "/api/jobs?kinds=%00;limit=0", "", ""},
		{"HEAD", "/api/jobs?limit=0", "{", ""},
		{"HEAD", "/api/jobs", "{", ""},
		{"GET", "/api/jobs/9223372036854775808", "", ""},
		{"GET", "/api/jobs/-1", "", ""},
		{"GET", "/api/jobs/%00", "", ""},
		{"GET", "/api/autocomplete?facet=queue_name&match=%5C%25&after=%5C&exclude=", "", ""},
		{"GET", "/api/queues/*", "", ""},
		{"PUT", "/api/queues/a%2Fb/pause", "{", ""},
		{"PUT", "/api/queues//pause", "", ""},
		{"PUT", "/api/queues/%2e%2e/pause", "", ""},
		{"POST", "/api/jobs/cancel", `{"ids":["1",2,-3,0]}`, "application/json"},
		{"POST", "/api/jobs/delete", `{"IDS":[1]}`, ""},
		{"POST", "/api/jobs/retry", strings.Repeat(`[`, 20_000), ""},
		{"DELETE", "/api/jobs/1", "", ""},
		{"OPTIONS", "/api/jobs", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	s := newScene(f, ready)
	s.request(f)
	f.Fuzz(func(t *testing.T, method, target, body, accept string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://localhost"+path+"/"+strings.TrimPrefix(target, "/"), strings.NewReader(body))
		if err != nil {
			t.Skip("no client can send it")
		}
		request.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, request)
		require.Less(t, answer.Code, http.StatusInternalServerError, "%s", answer.Body)
		if answer.Code >= http.StatusBadRequest {
			problemOf(t, answer)
		}
	})
}
