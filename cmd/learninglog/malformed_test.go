package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/pgtest"
)

// Whatever comes, however broken, is answered: not with a 500, and every error with a
// problem that the service explains. Afterwards the service works as before. The requests
// are made from the OpenAPI document: valid ones that are then mutated. MALFORMED_SEED
// repeats those of a seed; MALFORMED=2m sends more of them, for two minutes.
//
// All of them have a key, which only one of the two services asks for. Some have made it, or
// the way in which it comes, malformed too: that one serves them nothing. No answer and no
// log tells anything of the key.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	seed, duration := malformedSettings(t)
	t.Logf("MALFORMED_SEED=%d", seed)
	for _, auth := range []string{"none", "keys"} {
		t.Run("auth="+auth, func(t *testing.T) {
			t.Parallel()
			testMalformedRequests(t, auth, seed, duration)
		})
	}
}

func testMalformedRequests(t *testing.T, auth string, seed uint64, duration time.Duration) {
	t.Helper()
	databaseURL := pgtest.URL(t)
	key := newKeyOutOfReach(t, pgtest.Open(t, databaseURL))
	s := serve(t, "--auth", auth, "--trusted-proxies=127.0.0.1", "--database-url", databaseURL, "--log-level=info")
	s.key = key
	groups, schemas := readGroups(s)
	address, err := url.Parse(s.base)
	require.NoError(t, err)
	hunt := &hunt{service: s, asks: auth == "keys", generator: newGenerator(seed, address.Host, key, schemas)}
	hunt.prepare()

	for _, group := range groups {
		hunt.through(group, duration/time.Duration(len(groups)))
	}

	hunt.assertNothingLogged(groups)
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	words, entries := s.total(user)
	assert.Equal(t, []int{12, 1}, []int{words, entries})
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL))) // a verify would wait for all rebuilds that were requested
}

// newKeyOutOfReach creates a key that may do everything, with an id that no request that
// revokes or rotates keys will have.
func newKeyOutOfReach(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	const restart = `ALTER TABLE learninglog_keys ALTER COLUMN key_id RESTART WITH `
	_, err := pool.Exec(t.Context(), restart+`123456`)
	require.NoError(t, err)
	_, key, err := access.NewKeys(pool).Create(t.Context(), access.NewKey{Name: "of a test", Scopes: access.Scopes()})
	require.NoError(t, err)
	_, err = pool.Exec(t.Context(), restart+`1`)
	require.NoError(t, err)
	return key
}

func malformedSettings(t testing.TB) (seed uint64, duration time.Duration) {
	t.Helper()
	seed = rand.Uint64()
	if text := os.Getenv("MALFORMED_SEED"); text != "" {
		parsed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "MALFORMED_SEED is what a run has printed")
		seed = parsed
	}
	if text := os.Getenv("MALFORMED"); text != "" {
		parsed, err := time.ParseDuration(text)
		require.NoError(t, err, "MALFORMED is for how long: 2m, say")
		duration = parsed
	}
	return seed, duration
}

// hunt sends malformed requests.
type hunt struct {
	service *service
	// asks says that the service asks everybody for their key.
	asks      bool
	generator *generator
	// explained are the types of problems that the service explains.
	explained sync.Map
}

const (
	// perGroup is how many requests every group gets at least of each service, and
	// connections how many are sent at the same time.
	perGroup, connections = 750, 4
	// mostFailures is after how many a group is given up.
	mostFailures = 5
)

// prepare records some of the logs that the generator knows of, and lets it know what
// only the service can tell.
func (h *hunt) prepare() {
	s, known := h.service, h.generator.known
	user := uuid.MustParse(known["user_id"][0])
	for _, id := range known["request_id"][:10] {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(uuid.MustParse(id), user, 7))
	}
	var page struct {
		Next string `json:"next_cursor"`
	}
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/learning-logs?limit=5", "").decode(s.t, &page)
	known["cursor"], known["after"] = []string{page.Next}, []string{page.Next}
	style := regexp.MustCompile(`/static/(style[^"]*)`).FindSubmatch(s.mustCall(http.StatusOK, http.MethodGet, "/", "").body)
	require.NotNil(s.t, style)
	known["file"] = append(known["file"], string(style[1]))
}

// through sends the requests of a group: [perGroup], and more until the time is over.
func (h *hunt) through(group routeGroup, duration time.Duration) {
	t := h.service.t
	begun := time.Now()
	var next, failures atomic.Int64
	var counting sync.Mutex
	statuses := make(map[int]int)
	var clients sync.WaitGroup
	for range connections {
		clients.Go(func() {
			client := &wire{address: h.generator.host}
			defer client.close()
			for failures.Load() < mostFailures {
				number := int(next.Add(1)) - 1
				if number >= perGroup && time.Since(begun) >= duration {
					return
				}
				d := h.generator.request(group, number)
				answers, err := client.send(d)
				if wrong := h.judge(d, answers, err); wrong != "" {
					failures.Add(1)
					assert.Fail(t, wrong, "%s\n%s", requestName(group, number), d.print())
				}
				counting.Lock()
				for _, got := range answers {
					statuses[got.status]++
				}
				counting.Unlock()
			}
		})
	}
	clients.Wait()
	took := time.Since(begun).Round(time.Millisecond)
	t.Logf("%s: %s: %s", group.name, took, countsByStatus(statuses))
	if h.asks || group.name != "Keys" { // which can't be managed where nobody is asked for one
		assert.NotZero(t, statuses[http.StatusOK], "%s: some requests reach what they ask for", group.name)
	}
	assert.NotZero(t, statuses[http.StatusMethodNotAllowed], "%s: some requests are refused", group.name)
	if h.asks {
		assert.NotZero(t, statuses[http.StatusUnauthorized], "%s: some requests are strangers'", group.name)
	}
}

func countsByStatus(statuses map[int]int) string {
	var text []string
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		text = append(text, fmt.Sprintf("%d of %d", statuses[status], status))
	}
	return strings.Join(text, ", ")
}

// judge returns what is wrong with the answers to a request, or nothing.
func (h *hunt) judge(d *draft, answers []received, err error) string {
	mayEnd := d.mayGoUnanswered != "" && errors.Is(err, errUnanswered)
	// net/http closes a connection on which it can't read a request to its end, without
	// reading what is left. Then an answer may be lost on its way.
	mayReset := d.isAmbiguous && errors.Is(err, syscall.ECONNRESET)
	if err != nil && !mayEnd && !mayReset {
		return err.Error()
	}
	for i, got := range answers {
		hasBody := i > 0 || d.method != http.MethodHead
		wrong := h.judgeOne(d, got, hasBody)
		if h.asks && i == 0 && wrong == "" {
			wrong = judgeIdentity(d, got)
		}
		if wrong != "" {
			return fmt.Sprintf("answer %d: %s\n%d %v\n%.1000q", i, wrong, got.status, got.header, got.body)
		}
	}
	return ""
}

func (h *hunt) judgeOne(d *draft, got received, hasBody bool) string {
	mediaType, _, _ := mime.ParseMediaType(got.header.Get("Content-Type"))
	switch {
	case got.header.Get("X-Injected") != "":
		return "a header was injected"
	case tellsOf(fmt.Sprintf("%s%s", got.header, got.body), h.generator.key) != "":
		return "the answer tells of the key"
	case got.status == http.StatusInternalServerError:
		return "there is no request that should fail"
	case got.status < http.StatusBadRequest:
		return judgeSuccess(mediaType, got, hasBody)
	case got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") == "" && !d.isAmbiguous:
		return "there is no Retry-After"
	case mediaType == "text/html" && !strings.HasPrefix(d.path, "/v1/"): // a page, for a browser
		return ""
	}
	return h.judgeProblem(mediaType, got, hasBody)
}

// judgeSuccess checks that JSON is JSON, as it wouldn't be if an error had been appended.
func judgeSuccess(mediaType string, got received, hasBody bool) string {
	switch {
	case !hasBody || got.status >= http.StatusMultipleChoices:
		return ""
	case mediaType == mediaJSON && !json.Valid(got.body):
		return "the answer isn't JSON"
	case mediaType == mediaNDJSON:
		for line := range strings.Lines(string(got.body)) {
			if !json.Valid([]byte(line)) {
				return "a line of the answer isn't JSON"
			}
		}
	case got.status == http.StatusOK && mediaType == "" && got.header.Get("X-Request-Id") != "":
		return "the answer has no type"
	}
	return ""
}

func (h *hunt) judgeProblem(mediaType string, got received, hasBody bool) string {
	if mediaType != "application/problem+json" {
		return "an error isn't a problem"
	}
	if !hasBody {
		return ""
	}
	var wrong problem
	if err := json.Unmarshal(got.body, &wrong); err != nil {
		return "the problem isn't JSON: " + err.Error()
	}
	if wrong.Title == "" || wrong.Status != got.status {
		return "the problem lacks a title or the status"
	}
	if !h.explains(wrong.Type) {
		return "the service doesn't explain the type of the problem"
	}
	return ""
}

// explains reports whether the type of a problem is a path at which the service explains
// it.
func (h *hunt) explains(kind string) bool {
	if known, ok := h.explained.Load(kind); ok {
		return known == true
	}
	got, err := h.service.call(http.MethodGet, kind, "")
	explains := strings.HasPrefix(kind, "/problems/") && err == nil && got.status == http.StatusOK
	h.explained.Store(kind, explains)
	return explains
}

// assertNothingLogged fails if the log of the service has the line of a mistake of its
// own, with the request that led to it, or if it tells of a key.
func (h *hunt) assertNothingLogged(groups []routeGroup) {
	t := h.service.t
	assert.Empty(t, tellsOf(h.service.log.String(), h.generator.key), "the log tells of the key")
	assert.NotRegexp(t, `llk_\w{5}`, h.service.log.String(), "the log tells of another key")
	mistakes := []string{"level=ERROR", "http: panic", "superfluous", "a request panicked", "a request failed", "table of routes"}
	id := regexp.MustCompile(`http_request_id=(\S+)`)
	for line := range strings.Lines(h.service.log.String()) {
		isMistake := slices.ContainsFunc(mistakes, func(mistake string) bool { return strings.Contains(line, mistake) })
		if !isMistake {
			continue
		}
		request := "of an unknown request"
		if found := id.FindStringSubmatch(line); found != nil {
			request = h.named(groups, found[1])
		}
		assert.Fail(t, "the service logged a mistake of its own", "%s%s", line, request)
	}
}

// named returns the text of a request by its name.
func (h *hunt) named(groups []routeGroup, name string) string {
	for _, group := range groups {
		prefix, _ := strings.CutSuffix(requestName(group, 0), "0")
		if number, err := strconv.Atoi(strings.TrimPrefix(name, prefix)); err == nil && strings.HasPrefix(name, prefix) {
			return h.generator.request(group, number).print()
		}
	}
	return "of an unknown request"
}
