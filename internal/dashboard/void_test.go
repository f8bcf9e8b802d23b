package dashboard_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

func takeBack(t *testing.T, site http.Handler, user, requestID, parameters string) *httptest.ResponseRecorder {
	t.Helper()
	answer := httptest.NewRecorder()
	path := "/users/" + user + "/learning-logs/" + requestID + "/void" + parameters
	site.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil))
	return answer
}

func TestTakingALogBackLeadsToTheSameView(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	log := post(t, pool, user, 20, "2026-03-04T07:00:00Z")
	post(t, pool, user, 1, "2026-03-05T07:00:00Z")
	site := site(t, pool, time.UTC)
	const view = "?by=week&from=2026-03-02&to=2026-03-08&voided=include&year=2025"
	assert.Contains(t, page(t, site, user, view), `action="/users/`+user.String()+"/learning-logs/"+log.String()+"/void"+view+`"`)

	for range 2 { // doing it again changes nothing
		answer := takeBack(t, site, user.String(), log.String(), view)

		assert.Equal(t, http.StatusSeeOther, answer.Code)
		assert.Equal(t, "/users/"+user.String()+view+"#logs", answer.Header().Get("Location"))
		assert.Contains(t, page(t, site, user, view), "1 word in 1 log")
	}
	assert.Empty(t, pgtest.Drift(t, pool))
}

// A page of older logs is left neither.
func TestTakingALogBackLeadsToTheSamePageOfLogs(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	oldest := post(t, pool, user, 1, "2026-03-04T07:00:00Z")
	for range 20 {
		post(t, pool, user, 1, "2026-03-05T07:00:00Z")
	}
	site := site(t, pool, time.UTC)
	older := findIn(t, page(t, site, user, "?from=2026-03-01&to=2026-03-31"), `rel="next" href="(\?[^"#]*after=[^"#]*)#logs"`)

	action := findIn(t, page(t, site, user, older), `action="[^"]*`+oldest.String()+`/void(\?[^"]*)"`)
	answer := takeBack(t, site, user.String(), oldest.String(), action)

	want, err := url.ParseQuery(older[1:])
	require.NoError(t, err)
	got, err := url.Parse(answer.Header().Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, want, got.Query())
}

func TestTakingALogBackNeverLeavesTheSite(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	log := post(t, pool, user, 20, "2026-03-04T07:00:00Z")
	site := site(t, pool, time.UTC)
	for _, parameters := range []string{
		"?next=https://elsewhere.example", "?by=//elsewhere.example", "?year=%0d%0aLocation:%20https://elsewhere.example",
		"?from=https://elsewhere.example&to=\\\\elsewhere.example", "?%2f%2felsewhere.example", "?by=day;by=week", "?by=%zz",
	} {
		location := takeBack(t, site, user.String(), log.String(), parameters).Header().Get("Location")

		to, err := url.Parse(location)
		require.NoError(t, err, parameters)
		assert.Empty(t, to.Scheme, parameters)
		assert.Empty(t, to.Host, parameters)
		assert.Equal(t, "/users/"+user.String(), to.Path, parameters)
		assert.NotContains(t, to.Query(), "next", parameters)
	}
}

func TestOnlyALogOfTheLearnerCanBeTakenBack(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	log := post(t, pool, user, 20, "2026-03-04T07:00:00Z")
	site := site(t, pool, time.UTC)
	for _, test := range []struct{ name, user, log, says string }{
		{"unknown", user.String(), uuid.NewString(), "There is no such log"},
		{"of another learner", uuid.NewString(), log.String(), "There is no such log"},
		{"no request id", user.String(), "first", "There is no such log"},
		{"no learner", "me", log.String(), "There is no such learner"},
	} {
		answer := takeBack(t, site, test.user, test.log, "")

		assert.Equal(t, http.StatusNotFound, answer.Code, test.name)
		assert.Contains(t, answer.Body.String(), test.says, test.name)
		assert.Equal(t, "text/html; charset=utf-8", answer.Header().Get("Content-Type"), test.name)
	}
	assert.Contains(t, page(t, site, user, "?from=2026-03-04&to=2026-03-04"), "20 words in 1 log")
}

func TestTakingALogBackWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://"+pgtest.ClosedAddress(t)+"/learninglog")
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	answer := takeBack(t, site(t, pool, time.UTC), uuid.NewString(), uuid.NewString(), "")

	assert.Equal(t, http.StatusServiceUnavailable, answer.Code)
	assert.NotEmpty(t, answer.Header().Get("Retry-After"))
	assert.NotContains(t, answer.Body.String(), "http-equiv", "a browser would ask for what can only be posted")
}

func TestLogsThatWereTakenBackAreShownOnRequest(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2026-03-05T07:00:00+09:00")
	log := post(t, pool, user, 20, "2026-03-04T07:00:00+05:45")
	site := site(t, pool, time.UTC)
	takeBack(t, site, user.String(), log.String(), "")
	_, err := pool.Exec(t.Context(), `UPDATE learning_log SET voided_at = '2026-03-05T16:00:00Z' WHERE voided_at IS NOT NULL`)
	require.NoError(t, err)
	const view = "?from=2026-03-01&to=2026-03-31"

	without := page(t, site, user, view)
	assert.NotContains(t, without, log.String())
	assert.NotContains(t, without, "<del>")
	assert.Contains(t, without, `<a href="?by=day&from=2026-03-01&to=2026-03-31&voided=include#logs">Show logs that were taken back</a>`)

	with := page(t, site, user, view+"&voided=include")
	assert.Regexp(t, `<del title="4 March 2026, 07:00:00">[^<]+ \+05:45</del>`, with)
	assert.Contains(t, with, "taken back 6 March 2026, 01:00:00<", "by the learner's clock")
	assert.Contains(t, with, "<del>20</del>")
	assert.NotContains(t, with, log.String()+"/void")
	assert.Contains(t, with, `<a href="?by=day&from=2026-03-01&to=2026-03-31#logs">Hide logs that were taken back</a>`)
	assert.Contains(t, with, `<input type="hidden" name="voided" value="include">`, "another range keeps it")
}

func TestACachedPageIsNotShownAfterALogWasTakenBack(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	log := post(t, pool, user, 0, "2026-03-04T07:00:00Z")
	post(t, pool, user, 1, "2026-03-04T07:00:00Z")
	site := site(t, pool, time.UTC)
	const view = "?from=2026-03-01&to=2026-03-31&voided=include"
	before := tagOf(t, site, user, view)
	require.Equal(t, before, tagOf(t, site, user, view))

	takeBack(t, site, user.String(), log.String(), "")

	assert.NotEqual(t, before, tagOf(t, site, user, view))
}

func findIn(t *testing.T, text, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	require.NotNil(t, found, "%s in %s", pattern, text)
	return found[1]
}
