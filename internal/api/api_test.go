package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/audit"
	"learninglog/internal/problem"
	"learninglog/internal/zones"
	"learninglog/query"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// errAway is the error of an unavailable database.
var errAway = errors.New("the password is secret")

// away is an unavailable database. A request that reaches it was valid.
type away struct{ err error }

func (away) Reset() {}

func (a away) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, a.err
}

func (a away) Query(context.Context, string, ...any) (pgx.Rows, error) { return nil, a.err }

func (a away) Acquire(context.Context) (*pgxpool.Conn, error) { return nil, a.err }

func (a away) BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error) { return nil, a.err }

// nobody ignores all requests.
type nobody struct{}

func (nobody) Begun()                                    {}
func (nobody) Ended(_, _ string, _ int, _ time.Duration) {}

// newHandler returns the handler over a database in which every query fails with
// failure.
func newHandler(t testing.TB, failure error) http.Handler {
	t.Helper()
	handler, err := New(newConfig(failure))
	require.NoError(t, err)
	return handler
}

func newProblems(logger *slog.Logger) *problem.Table {
	isAway := func(err error) bool { return errors.Is(err, errAway) }
	return problem.NewTable(isAway, func() time.Duration { return time.Second }, logger)
}

func newConfig(failure error) Config {
	limits := command.DefaultLimits()
	return Config{
		Recorder:       command.NewRecorder(away{failure}, command.Config{Limits: limits}),
		Reader:         query.NewReader(away{failure}, time.UTC),
		Trail:          audit.New(away{failure}, slog.New(slog.DiscardHandler)),
		Limits:         limits,
		Ready:          func(context.Context) error { return failure },
		Problems:       newProblems(slog.New(slog.DiscardHandler)),
		RequestTimeout: time.Second,
		AllowedHosts:   []string{"example.com"}, // which httptest asks for
		Requests:       nobody{},
		Metrics:        prometheus.NewRegistry(),
		Stopping:       context.Background(),
		Logger:         slog.New(slog.DiscardHandler),
	}
}

func serve(handler http.Handler, method, target, contentType string, body io.Reader) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "/", body)
	path, rawQuery, _ := strings.Cut(target, "?")
	request.URL.Path, request.URL.RawQuery = path, rawQuery
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func problemOf(t require.TestingT, answer *httptest.ResponseRecorder) problem.Problem {
	require.Equal(t, problem.MediaType, answer.Header().Get("Content-Type"), "%s", answer.Body)
	var wrong problem.Problem
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &wrong))
	require.Equal(t, answer.Code, wrong.Status)
	require.NotEmpty(t, wrong.Title)
	require.True(t, strings.HasPrefix(wrong.Type, "/problems/"), wrong.Type)
	return wrong
}

const (
	aUser = "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"
	aLog  = `{"request_id":"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11","user_id":"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22","word_count":12}`
)

func TestErrorsTellTheClientNothingThatIsNotItsBusiness(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		failure error
		status  int
	}{
		{"a database that is away", errAway, http.StatusServiceUnavailable},
		{"an error that nobody knows", errors.New("the password is secret"), http.StatusInternalServerError},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			handler := newHandler(t, test.failure)
			for _, target := range []string{
				"POST /v1/learning-logs", "POST /v1/learning-logs/batch",
				"GET /v1/users/" + aUser + "/summary", "GET /v1/users/" + aUser + "/learning-logs",
				"GET /v1/users/" + aUser + "/learning-logs/" + aUser,
			} {
				method, path, _ := strings.Cut(target, " ")
				body := ""
				switch {
				case strings.HasSuffix(path, "batch"):
					body = "[" + aLog + "]"
				case method == http.MethodPost:
					body = aLog
				}
				answer := serve(handler, method, path, "", strings.NewReader(body))
				assert.Equal(t, test.status, answer.Code, target)
				problemOf(t, answer)
				assert.NotContains(t, answer.Body.String(), "secret")
				assert.Equal(t, test.status == http.StatusServiceUnavailable, answer.Header().Get("Retry-After") != "", target)
			}
		})
	}
}

func TestReadyTellsWhatIsWrongToTheLogOnly(t *testing.T) {
	t.Parallel()
	answer := serve(newHandler(t, errAway), http.MethodGet, "/readyz", "", nil)
	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.NotEmpty(t, answer.Header().Get("Retry-After"))
	assert.NotContains(t, answer.Body.String(), "secret")

	assert.Equal(t, http.StatusOK, serve(newHandler(t, nil), http.MethodGet, "/readyz", "", nil).Code)
	assert.Equal(t, http.StatusOK, serve(newHandler(t, errAway), http.MethodGet, "/healthz", "", nil).Code)
}

// panicking is a router like the real one, but its handlers panic.
func panicking(requests RequestObserver) http.Handler {
	s := &server{Config: Config{Requests: requests, AllowedHosts: []string{"*"}, Logger: slog.New(slog.DiscardHandler)}}
	router := chi.NewMux()
	router.Use(s.middleware()...)
	router.Get("/", func(http.ResponseWriter, *http.Request) { panic("a secret") })
	router.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	router.Get("/begun", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "an outcome\n")
		_ = http.NewResponseController(w).Flush()
		panic("a secret")
	})
	return router
}

func TestPanicsAreProblems(t *testing.T) {
	t.Parallel()
	router := panicking(nobody{})

	answer := serve(router, http.MethodGet, "/", "", nil)

	assert.Equal(t, http.StatusInternalServerError, answer.Code)
	assert.Equal(t, "/problems/internal-error", problemOf(t, answer).Type)
	assert.NotContains(t, answer.Body.String(), "secret")
	assert.NotEmpty(t, answer.Header().Get("X-Request-Id"))

	assert.PanicsWithValue(t, http.ErrAbortHandler, func() { serve(router, http.MethodGet, "/abort", "", nil) })
}

// Otherwise the response would seem to be complete, with a problem as its last line.
func TestAPanicAfterTheAnswerHasBegunBreaksItOff(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(panicking(nobody{}))
	t.Cleanup(server.Close)
	response, err := http.Get(server.URL + "/begun")
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, "an outcome\n", string(text))
}

func TestRequestIDIsTheClientsIfItIsReasonable(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, nil)
	for id, kept := range map[string]bool{
		"abc-123":                true,
		"":                       false,
		"two words":              false,
		"ü":                      false,
		strings.Repeat("x", 129): false,
	} {
		request := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		request.Header.Set("X-Request-Id", id)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		assert.Equal(t, kept, answer.Header().Get("X-Request-Id") == id, "%q", id)
		assert.NotEmpty(t, answer.Header().Get("X-Request-Id"))
	}
}

// broken is a body that can't be read to its end.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func TestABodyThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, nil)
	assert.Equal(t, http.StatusRequestTimeout,
		serve(handler, http.MethodPost, "/v1/learning-logs", mediaJSON, broken{io.ErrUnexpectedEOF}).Code)
	assert.Equal(t, http.StatusRequestTimeout,
		serve(handler, http.MethodPost, "/v1/learning-logs", mediaJSON, broken{os.ErrDeadlineExceeded}).Code)
}

// The whole body is read, whatever length the client declares. If the declared
// length is right, the body isn't copied repeatedly.
func TestABodyIsAsLongAsItIs(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	text := strings.Repeat("x", limit)
	for name, length := range map[string]int64{
		"as it is": limit, "unknown": -1, "too little": 5, "too much": limit + 1, "far too much": math.MaxInt64,
	} {
		body := payload{reader: strings.NewReader(text), length: length}
		read, _, err := body.read(t.Context(), limit, nil)
		require.NoError(t, err, name)
		assert.Equal(t, text, string(read), name)
		if length >= limit {
			assert.LessOrEqual(t, cap(read), limit+2*bytes.MinRead, name)
		}
	}
	tooLong := payload{reader: strings.NewReader(text + "x"), length: 1}
	_, _, err := tooLong.read(t.Context(), limit, nil)
	assert.ErrorContains(t, err, "at most 100000 bytes")
}

func TestEveryKindOfProblemHasAPage(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, nil)
	for _, kind := range problem.Kinds() {
		answer := serve(handler, http.MethodGet, kind.Path(), "", nil)
		assert.Equal(t, http.StatusOK, answer.Code, kind.Name)
		assert.Contains(t, answer.Body.String(), kind.Help)
	}
}

func TestDocsNeedNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	_, handler := withAllPages(t)
	page := serve(handler, http.MethodGet, "/docs/", "", nil)
	require.Equal(t, http.StatusOK, page.Code)
	sources := regexp.MustCompile(`(?:src|href)="(/[^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.NotEmpty(t, sources)
	for _, source := range sources {
		answer := serve(handler, http.MethodGet, source[1], "", nil)
		want := http.StatusOK
		if source[1] == "/" {
			want = http.StatusTeapot // the start page
		}
		assert.Equal(t, want, answer.Code, "%s is served from the binary", source[1])
	}
	assert.Contains(t, serve(handler, http.MethodGet, "/docs/start.js", "", nil).Body.String(), `"/openapi.json"`)
	assert.Regexp(t, `<noscript>.*href="/openapi.yaml".*href="/openapi.json".*</noscript>`, page.Body.String(), "there is a way without scripts")
}

func TestDocsAreSentWholeOrNotFound(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, nil)
	for _, path := range []string{"/docs/", "/docs/start.js", "/docs/swagger-ui.css", "/docs/favicon-32x32.png"} {
		request := httptest.NewRequest(http.MethodGet, path, nil)
		request.Header.Set("Range", "bytes=99999999-")
		request.Header.Set("If-Match", `"other"`)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		assert.Equal(t, http.StatusOK, answer.Code, path)
		assert.Contains(t, answer.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'", path)
	}
	for _, path := range []string{"/docs/nothing", "/docs/\xff", "/docs/index.html"} {
		assert.Equal(t, problem.NotFound.Path(), problemOf(t, serve(handler, http.MethodGet, path, "", nil)).Type, path)
	}
}

// A request is either valid and reaches the unavailable database, or it is refused
// with a problem that says why. It is never answered with 500.
func assertUnderstoodOrRefused(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	wrong := problemOf(t, answer)
	if answer.Code == http.StatusServiceUnavailable {
		return
	}
	require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, answer.Code, "%s", answer.Body)
	require.True(t, wrong.Detail != "" || len(wrong.Errors) > 0, "it says what is wrong: %s", answer.Body)
}

func FuzzRecord(f *testing.F) {
	for _, seed := range []string{
		aLog, "", "null", "[]", "{", `"`, "\x00", "\xff", "1e999", `{"request_id":null}`,
		`{"request_id":"x","user_id":5,"word_count":"12","timestamp":"2026-01-01"}`,
		strings.Replace(aLog, "12", "12.0", 1), strings.Replace(aLog, "12", "1e3", 1),
		strings.Replace(aLog, "12", "99999999999999999999", 1), strings.Replace(aLog, "12", "null", 1),
		strings.Replace(aLog, "word_count", "Word_Count", 1), aLog + aLog,
		strings.Replace(aLog, "12", `12,"timestamp":"0001-01-01T00:00:00Z"`, 1),
		strings.Replace(aLog, "12", `12,"timestamp":"2026-01-01T00:00:00.123456789+05:45"`, 1),
		strings.Replace(aLog, "12", `12,"extra":{}`, 1),
		strings.Replace(aLog, "12", `12,"time_zone":"Asia/Tokyo","utc_offset":"+09:00"`, 1),
		strings.Replace(aLog, "12", `12,"time_zone":"EST","utc_offset":"+15:00"`, 1),
		strings.Replace(aLog, "12", `12,"time_zone":null,"utc_offset":"Z"`, 1),
		strings.Replace(aLog, "12", `12,"time_zone":"America","utc_offset":9`, 1),
	} {
		f.Add(seed)
	}
	handler := newHandler(f, errAway)
	f.Fuzz(func(t *testing.T, body string) {
		answer := serve(handler, http.MethodPost, "/v1/learning-logs", mediaJSON, strings.NewReader(body))
		assertUnderstoodOrRefused(t, answer)
		if answer.Code == http.StatusServiceUnavailable {
			require.True(t, json.Valid([]byte(body)))
		}
	})
}

func FuzzSummaryQuery(f *testing.F) {
	for _, seed := range []string{
		"", "from=2026-01-01&to=2026-01-31&granularity=day", "granularity=year", "from=2026-01-01T00:00:00+02:00",
		"from=0001-01-01&to=9998-12-31", "from=2026-01-02&to=2026-01-01", "fill=maybe", "fill=false", "from=%00", "%zz", "nonsense=1",
		"from=9998-12-31T23:59:59Z&granularity=month", "to=0001-01-01", "from=2026-01-01&from=2026-01-02",
		"time_zone=Asia/Tokyo", "time_zone=EST", "time_zone=Local", "time_zone=", "time_zone=%00/", "time_zone=UTC&from=9998-12-31",
	} {
		f.Add(seed)
	}
	handler := newHandler(f, errAway)
	f.Fuzz(func(t *testing.T, rawQuery string) {
		answer := serve(handler, http.MethodGet, "/v1/users/"+aUser+"/summary?"+rawQuery, "", nil)
		assertUnderstoodOrRefused(t, answer)
	})
}

func FuzzListQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=0", "limit=1001", "limit=5", "cursor=x", "cursor=AQAGYONQywfqIiIiIhERQRGBEREREREREQ", "from=2026-01-01&to=2026-01-01", "to=9998-12-31"} {
		f.Add(seed)
	}
	handler := newHandler(f, errAway)
	f.Fuzz(func(t *testing.T, rawQuery string) {
		answer := serve(handler, http.MethodGet, "/v1/users/"+aUser+"/learning-logs?"+rawQuery, "", nil)
		assertUnderstoodOrRefused(t, answer)
	})
}

func FuzzBatch(f *testing.F) {
	for _, seed := range []string{
		"[" + aLog + "]", "[]", "null", "[1,", "[1] 2", "[[[", aLog, aLog + "\n\n{", "\xff", "\n",
		`[{"a":1,"a":2}]`, "[{\"a\":\"\xff\"}]", "[{\"\xff\":1,\"\xfe\":2}]", `[[{"a":1,"a":2}]]`, "[\xff]",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	handler := newHandler(f, errAway)
	f.Fuzz(func(t *testing.T, body string, lines bool) {
		contentType := mediaJSON
		if lines {
			contentType = mediaNDJSON
		}
		answer := serve(handler, http.MethodPost, "/v1/learning-logs/batch", contentType, strings.NewReader(body))
		if answer.Code == http.StatusOK { // it contained no valid log
			require.NotContains(t, answer.Body.String(), `"recorded"`+`,`)
			return
		}
		assertUnderstoodOrRefused(t, answer)
	})
}

func FuzzDecodeRebuild(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", "[]", `{"user_id":"` + aUser + `","from":"2026-01-01","to":"2026-01-02","dry_run":true}`, `{"from":5}`, `{"to":"9999-01-01"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		args, err := decodeRebuild([]byte(body))
		assertScopeOrProblem(t, args.Scope, err)
	})
}

func FuzzDecodeRezone(f *testing.F) {
	for _, seed := range []string{
		"", "{}", `{"time_zone":"Asia/Tokyo","user_id":"` + aUser + `","from":"2026-01-01"}`, `{"time_zone":"EST"}`, `{"time_zone":null}`,
		`{"time_zone":"UTC","to":"9999-01-01"}`, `{"time_zone":"../UTC","dry_run":true}`,
	} {
		f.Add(seed)
	}
	known, err := zones.Open()
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, body string) {
		args, err := decodeRezone([]byte(body), known)
		assertScopeOrProblem(t, args.Scope, err)
		if err == nil {
			_, err := known.Load(args.TimeZone)
			require.NoError(t, err)
		}
	})
}

func assertScopeOrProblem(t *testing.T, scope rebuild.Scope, err error) {
	t.Helper()
	if err != nil {
		var wrong *problem.Problem
		require.ErrorAs(t, err, &wrong)
		return
	}
	for _, end := range []*rollup.Date{scope.From, scope.To} {
		if end != nil {
			require.True(t, *end >= rollup.NewDate(1, time.January, 1) && *end <= rollup.NewDate(9998, time.December, 31), "%s", end)
		}
	}
}

// In an array and in NDJSON.
func TestABadLogOfABatchFailsAlone(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	for name, test := range map[string]struct{ log, location, message string }{
		"a field that is given twice":         {strings.Replace(aLog, `}`, `,"word_count":13}`, 1), "body[1].word_count", "must be given once"},
		"one that is, within another":         {strings.Replace(aLog, `12`, `{"a":1,"a":2}`, 1), "body[1].a", "must be given once"},
		"bytes that are no text":              {strings.Replace(aLog, `12`, "\"\xff\"", 1), "body[1]", "UTF-8"},
		"the name of a field that is no text": {strings.Replace(aLog, `word_count`, "\xff", 1), "body[1]", "UTF-8"},
	} {
		for contentType, format := range map[string]string{mediaJSON: "[1, %s, 2]", mediaNDJSON: "1\n%s\n2\n"} {
			answer := serve(handler, http.MethodPost, batchPath, contentType, strings.NewReader(fmt.Sprintf(format, test.log)))

			require.Equal(t, http.StatusOK, answer.Code, "%s, %s: %s", name, contentType, answer.Body)
			assert.Equal(t, 3, strings.Count(answer.Body.String(), `"outcome":"invalid"`), "%s, %s: %s", name, contentType, answer.Body)
			assert.Contains(t, answer.Body.String(), `"location":"`+test.location+`","message":"`, "%s, %s", name, contentType)
			assert.Contains(t, answer.Body.String(), test.message, "%s, %s", name, contentType)
		}
	}
}

// writing is a response that calls a function before it is written.
type writing struct {
	*httptest.ResponseRecorder

	before func()
}

func (w writing) Write(text []byte) (int, error) {
	w.before()
	return w.ResponseRecorder.Write(text)
}

// The response to an array is as large as the array. Slow clients must not keep more
// of them in memory than allowed.
func TestAnArrayKeepsItsPlaceUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	s, router, err := newServer(newConfig(errAway))
	require.NoError(t, err)
	for body, status := range map[string]int{
		"[1, 2]": http.StatusOK, "[" + aLog + "]": http.StatusServiceUnavailable,
	} {
		held := -1
		answer := writing{httptest.NewRecorder(), func() { held = taken(s.arrays) }}
		router.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, batchPath, strings.NewReader(body)))

		assert.Equal(t, status, answer.Code, body)
		assert.Positive(t, held, "while %s is answered", body)
		assert.Zero(t, taken(s.arrays), "afterwards")
	}
}

// The response to an invalid request is no longer than the explanation.
func TestNonsenseIsAnsweredShortly(t *testing.T) {
	t.Parallel()
	handler := newHandler(t, errAway)
	var fields strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&fields, `"%d":1,`, i)
	}
	many := "{" + fields.String() + aLog[1:]
	require.Less(t, len(many), maxLogBytes)

	for path, body := range map[string]string{
		"/v1/learning-logs":       many,
		"/v1/learning-logs/batch": "[" + many + "]",
	} {
		answer := serve(handler, http.MethodPost, path, mediaJSON, strings.NewReader(body))
		assert.Less(t, answer.Body.Len(), 10_000, path)
		assert.Contains(t, answer.Body.String(), "4997 fields more", path)
	}

	huge := `[{"` + strings.Repeat("x", maxLogBytes) + `":1}]`
	answer := serve(handler, http.MethodPost, "/v1/learning-logs/batch", mediaJSON, strings.NewReader(huge))
	assert.Equal(t, http.StatusOK, answer.Code)
	assert.Contains(t, answer.Body.String(), "must have at most")
}
