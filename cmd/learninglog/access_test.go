package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

// cells is where it is written down who gets which status of which route. A test of the
// API holds its rows to the table of routes. UPDATE_CELLS=1 writes what is so now: read
// the difference.
const cells = "../../internal/api/testdata/access.txt"

// stranger is somebody who asks for something of a learner.
type stranger struct {
	name string
	key  string // or empty
}

// strangers returns everybody who may ask, in the order of the columns.
func strangers(t *testing.T, pool *pgxpool.Pool, learner uuid.UUID) []stranger {
	t.Helper()
	keys := access.NewKeys(pool)
	create := func(user *uuid.UUID, scopes ...access.Scope) (access.Key, string) {
		key, secret, err := keys.Create(t.Context(), access.NewKey{Name: "of a test", Scopes: scopes, UserID: user})
		require.NoError(t, err)
		return key, secret
	}
	expired, expiredSecret := create(nil, access.Scopes()...)
	_, err := pool.Exec(t.Context(), `UPDATE learninglog_keys SET expires_at = now() WHERE key_id = $1`, expired.ID)
	require.NoError(t, err)
	revoked, revokedSecret := create(nil, access.Scopes()...)
	_, err = keys.Revoke(t.Context(), revoked.ID)
	require.NoError(t, err)

	_, elsewhere, err := access.NewKeys(pgtest.Pool(t)).Create(t.Context(), access.NewKey{Name: "x", Scopes: access.Scopes()})
	require.NoError(t, err)
	all := []stranger{{"nobody", ""}, {"unknown", elsewhere}, {"expired", expiredSecret}, {"revoked", revokedSecret}}
	for _, scope := range access.Scopes() {
		_, secret := create(nil, scope)
		all = append(all, stranger{string(scope), secret})
	}
	_, own := create(&learner, access.WriteLogs, access.ReadLogs)
	_, others := create(new(uuid.New()), access.WriteLogs, access.ReadLogs)
	_, operator := create(nil, access.Scopes()...)
	return append(all, stranger{"learner", own}, stranger{"another", others}, stranger{"operator", operator})
}

// asked is what is asked for a row.
type asked struct {
	path, contentType, body string
}

// question returns the request for a route, which would succeed for whoever may ask it.
func (m *matrix) question(method, path string) asked {
	if method == "ANY" {
		method = http.MethodGet
	}
	target := fmt.Sprintf(`{"request_id":"%s","user_id":"%s"}`, uuid.New(), m.learner)
	bodies := map[string]string{
		"POST /v1/learning-logs":       newLog(m.learner, 1),
		"POST /v1/learning-logs/batch": "[" + newLog(m.learner, 1) + "]",
		"POST /v1/learning-logs/void":  "[" + target + "]",
		"POST /v1/rebuilds":            `{"dry_run":true}`,
		"POST /v1/rezones":             `{"time_zone":"Asia/Tokyo"}`,
		"POST /v1/purges":              `{"older_than_days":3000,"dry_run":true}`,
		"POST /v1/keys":                `{"name":"of a cell","scopes":["logs:read"]}`,

		"PUT /v1/users/{user_id}/settings":     "{}",
		"POST /v1/users/{user_id}/share-links": `{"name":"of a cell"}`,
	}
	q := asked{path: path, contentType: "application/json", body: bodies[method+" "+path]}
	if method == http.MethodPost && !strings.HasPrefix(path, "/v1/") {
		q.contentType, q.body = "application/x-www-form-urlencoded", url.Values{"time_zone": {"Asia/Tokyo"}, "days": {"3000"}, "action": {"verify"}, "name": {"of a cell"}, "scope": {"logs:read"}, "goal": {""}, "freeze": {""}}.Encode()
	}
	if method+" "+path == "POST /users/{user_id}/share-links" {
		q.body = url.Values{"name": {"of a cell"}, "days": {"30"}}.Encode()
	}
	if strings.Contains(path, "/keys/{id}") {
		key, _, err := access.NewKeys(m.pool).Create(m.t.Context(), access.NewKey{Name: "of a cell", Scopes: []access.Scope{access.ReadLogs}})
		require.NoError(m.t, err)
		path = strings.ReplaceAll(path, "{id}", fmt.Sprint(key.ID))
	}
	if strings.Contains(path, "/share-links/{id}") || strings.Contains(path, "{link}") {
		link, secret := newShareLink(m.t, m.pool, m.learner)
		path = strings.NewReplacer("{id}", fmt.Sprint(link.ID), "{link}", secret).Replace(path)
	}
	if path == "/v1/sealed-days" {
		q.contentType, q.body = ndjson, fmt.Sprintf(`{"user_id":"%s","day":"2020-01-01","total_word_count":1,"entry_count":1}`, m.learner)
	}
	switch method + " " + path { // of somebody else than those whose keys are used
	case "DELETE /v1/users/{user_id}", "POST /users/{user_id}/erase":
		path = strings.ReplaceAll(path, "{user_id}", uuid.NewString())
	case "DELETE /v1/erasures/{user_id}":
		erased := uuid.New()
		_, err := m.pool.Exec(m.t.Context(), `INSERT INTO learninglog_erased_users (user_id) VALUES ($1)`, erased)
		require.NoError(m.t, err)
		path = strings.ReplaceAll(path, "{user_id}", erased.String())
	}
	q.path = strings.NewReplacer(
		"{user_id}", m.learner.String(), "{request_id}", m.request.String(), "{id}", fmt.Sprint(m.rebuild),
		"{queue}", "routine", "{name}", "forbidden",
		"/docs/*", "/docs/", "/static/*", m.asset, "/admin/jobs/*", "/admin/jobs/jobs",
	).Replace(path)
	if path == "/users" {
		q.path += "?id=" + m.learner.String()
	}
	return q
}

type matrix struct {
	t       *testing.T
	service *service
	pool    *pgxpool.Pool
	learner uuid.UUID
	request uuid.UUID
	rebuild int64
	asset   string // the path of a static file
	asked   int
}

// Each cell of the matrix is the status that somebody gets of a route.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	m := &matrix{t: t, pool: pgtest.Open(t, databaseURL), learner: uuid.New(), request: uuid.New()}
	everybody := strangers(t, m.pool, m.learner)
	m.service = serve(t, "--auth=keys", "--trusted-proxies=127.0.0.1", "--database-url", databaseURL)
	operator := everybody[len(everybody)-1]
	m.prepare(operator.key)

	written, err := os.ReadFile(cells)
	require.NoError(t, err)
	var found strings.Builder
	rows := tabwriter.NewWriter(&found, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(rows, "\t")
	for _, who := range everybody {
		_, _ = fmt.Fprintf(rows, "\t%s", who.name)
	}
	_, _ = fmt.Fprintln(rows)
	for _, line := range strings.Split(strings.TrimSpace(string(written)), "\n")[1:] {
		fields := strings.Fields(line)
		method, path := fields[0], fields[1]
		_, _ = fmt.Fprintf(rows, "%s\t%s", method, path)
		for _, who := range everybody {
			_, _ = fmt.Fprintf(rows, "\t%d", m.ask(method, path, who.key))
		}
		_, _ = fmt.Fprintln(rows)
	}
	require.NoError(t, rows.Flush())
	if os.Getenv("UPDATE_CELLS") != "" {
		require.NoError(t, os.WriteFile(cells, []byte(found.String()), 0o600))
	}
	assert.Equal(t, string(written), found.String())
	for _, who := range everybody {
		if who.key != "" {
			assert.NotContains(t, m.service.log.String(), who.key, "the log has the key of %s", who.name)
		}
	}
}

// prepare records a log of the learner, and lets a rebuild end.
func (m *matrix) prepare(key string) {
	m.t.Helper()
	post := func(path, body string, into any) {
		got := m.send(http.MethodPost, asked{path, "application/json", body}, key)
		require.Less(m.t, got.status, 300, "%s", got.body)
		got.decode(m.t, into)
	}
	post("/v1/learning-logs", logWithID(m.request, m.learner, 1), new(any))
	page := m.send(http.MethodGet, asked{path: "/"}, key)
	m.asset = regexp.MustCompile(`/static/[^"]+`).FindString(string(page.body))
	var rebuild struct{ ID int64 }
	post("/v1/rebuilds", "{}", &rebuild)
	m.rebuild = rebuild.ID
	require.Eventually(m.t, func() bool {
		var state struct {
			FinishedAt *time.Time `json:"finished_at"`
		}
		m.send(http.MethodGet, asked{path: rebuildPath(m.rebuild)}, key).decode(m.t, &state)
		return state.FinishedAt != nil
	}, eventually, often)
}

func (m *matrix) ask(method, path, key string) int {
	m.t.Helper()
	q := m.question(method, path)
	if method == "ANY" {
		method = http.MethodGet
	}
	return m.send(method, q, key).status
}

func (m *matrix) send(method string, q asked, key string) answer {
	m.t.Helper()
	m.asked++ // each time from another address: one that fails often would be kept waiting
	headers := []string{"X-Forwarded-For", fmt.Sprintf("10.0.%d.%d", m.asked/250, 1+m.asked%250)}
	got := m.service.with(key, method, q.path, q.contentType, q.body, headers...)
	for _, header := range got.header {
		assert.NotContains(m.t, strings.Join(header, " "), "llk_", "%s %s", method, q.path)
	}
	return got
}

// with sends a request with a key or a token, if there is one, and more headers.
func (s *service) with(key, method, path, contentType, body string, headers ...string) answer {
	s.t.Helper()
	if contentType != "" {
		headers = append(headers, "Content-Type", contentType)
	}
	if key != "" {
		headers = append(headers, "Authorization", "Bearer "+key)
	}
	return s.try(method, path, body, headers...)
}

// newKey creates a key.
func newKey(t testing.TB, databaseURL string, arguments ...string) string {
	t.Helper()
	printed, problems, status := run(t, append([]string{"key", "create", "--name=of a test", "--database-url", databaseURL}, arguments...)...)
	require.Zero(t, status, problems)
	return strings.TrimSpace(printed)
}

func TestAKeyOfALearnerWritesTheirLogsAlone(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	learner, other := uuid.New(), uuid.New()
	key := newKey(t, databaseURL, "--scopes=logs:write,logs:read", "--user", learner.String())
	logs := []string{newLog(learner, 1), newLog(other, 1), newLog(learner, 1), `{"user_id":"` + other.String() + `"}`}

	array := s.with(key, http.MethodPost, batchPath, "application/json", "["+strings.Join(logs, ",")+"]")
	lines := s.with(key, http.MethodPost, batchPath, ndjson, strings.Join(logs, "\n"))

	var outcomes struct {
		Recorded, Forbidden, Invalid int
		Outcomes                     []struct {
			Outcome   string
			Retryable bool
		}
	}
	array.decode(t, &outcomes)
	assert.Equal(t, []int{2, 1, 1}, []int{outcomes.Recorded, outcomes.Forbidden, outcomes.Invalid})
	assert.Equal(t, "forbidden", outcomes.Outcomes[1].Outcome)
	assert.False(t, outcomes.Outcomes[1].Retryable)
	assert.Equal(t, []string{"already_recorded", "forbidden", "already_recorded", "invalid"}, lineOutcomes(t, lines.body))
	single := s.with(key, http.MethodPost, "/v1/learning-logs", "application/json", newLog(other, 1))
	assert.Equal(t, http.StatusForbidden, single.status)
	void := s.with(key, http.MethodPost, "/v1/learning-logs/void", ndjson,
		fmt.Sprintf(`{"request_id":"%s","user_id":"%s"}`, uuid.New(), other))
	assert.Equal(t, []string{"forbidden"}, lineOutcomes(t, void.body))

	pool := pgtest.Open(t, databaseURL)
	var recorded int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM learning_log WHERE user_id = $1`, other).Scan(&recorded))
	assert.Zero(t, recorded)
}

// lineOutcomes returns the outcomes of an answer in NDJSON.
func lineOutcomes(t *testing.T, body []byte) (outcomes []string) {
	t.Helper()
	for line := range strings.Lines(string(body)) {
		var one struct{ Outcome string }
		require.NoError(t, json.Unmarshal([]byte(line), &one))
		outcomes = append(outcomes, one.Outcome)
	}
	return outcomes
}

// What is somebody else's looks as what isn't there.
func TestNobodyLearnsWhetherAnotherLearnerExists(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	known := uuid.New()
	backend := newKey(t, databaseURL, "--scopes=logs:write")
	require.Equal(t, http.StatusCreated, s.with(backend, http.MethodPost, "/v1/learning-logs", "application/json", newLog(known, 1)).status)
	key := newKey(t, databaseURL, "--scopes=logs:read,logs:write", "--user", uuid.NewString())
	for _, path := range []string{"/v1/users/%s/summary", "/v1/users/%s/learning-logs", "/v1/users/%s/streak", "/users/%s"} {
		there := s.with(key, http.MethodGet, fmt.Sprintf(path, known), "", "")
		nowhere := s.with(key, http.MethodGet, fmt.Sprintf(path, uuid.New()), "", "")
		assert.Equal(t, http.StatusNotFound, there.status, path)
		assert.Equal(t, string(nowhere.body), string(there.body), path)
	}
}

func TestARevokedKeyIsRefusedByEveryService(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	here, elsewhere := serve(t, "--auth=keys", "--database-url", databaseURL), serve(t, "--auth=keys", "--database-url", databaseURL)
	managing := newKey(t, databaseURL, "--scopes=keys")
	made := here.with(managing, http.MethodPost, "/v1/keys", "application/json", `{"name":"phone","scopes":["logs:read"]}`)
	require.Equal(t, http.StatusCreated, made.status, "%s", made.body)
	var key struct {
		ID  int64
		Key string
	}
	made.decode(t, &key)
	assert.Equal(t, "no-store", made.header.Get("Cache-Control"))
	path := "/v1/users/" + uuid.NewString() + "/summary"
	for _, s := range []*service{here, elsewhere} {
		require.Equal(t, http.StatusOK, s.with(key.Key, http.MethodGet, path, "", "").status)
	}

	require.Equal(t, http.StatusOK, here.with(managing, http.MethodDelete, fmt.Sprintf("/v1/keys/%d", key.ID), "", "").status)

	assert.Equal(t, http.StatusUnauthorized, here.with(key.Key, http.MethodGet, path, "", "").status, "at once")
	require.Eventually(t, func() bool {
		return elsewhere.with(key.Key, http.MethodGet, path, "", "").status == http.StatusUnauthorized
	}, 10*time.Second, often)
}

func TestOthersReachAServiceOnlyIfItIsSaidWhatTheyMayDo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "learn.example.com:80"} {
		_, problems, status := run(t, "serve", "--addr", address, "--data-dir", dataDir(t))
		assert.Equal(t, 2, status, address)
		assert.Contains(t, problems, "say who may do what: --auth=keys", address)
	}
	_, problems, status := run(t, "serve", "--auth=keys,none")
	assert.Equal(t, 2, status)
	assert.Contains(t, problems, "--auth=none can't be combined")
	open := serve(t, "--auth=none", "--addr=0.0.0.0:0", "--database-url", pgtest.URL(t))
	open.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds", "")
}

// Programs send the zero value of a time where it was forgotten: that is no "for ever".
func TestAKeyThatHasExpiredIsNotCreated(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	s.key = newKey(t, databaseURL, "--scopes=keys")
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Now()} {
		got := s.mustCall(http.StatusUnprocessableEntity, http.MethodPost, "/v1/keys", fmt.Sprintf(`{"name":"x","scopes":["keys"],"expires_at":%q}`, at.UTC().Format(time.RFC3339)))
		assert.Contains(t, string(got.body), "must be in the future")
	}
}

func TestTheCommandsOfKeys(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	out, _, _ := run(t, "key", "list", "--database-url", databaseURL)
	assert.Contains(t, out, "There are no keys yet")
	secret := newKey(t, databaseURL, "--scopes=logs:write", "--expires=90d", "--rate=100")

	out, problems, status := run(t, "key", "rotate", "1", "--database-url", databaseURL)
	require.Zero(t, status, problems)
	assert.NotEqual(t, secret, strings.TrimSpace(out))
	out, problems, status = run(t, "key", "revoke", "1", "--database-url", databaseURL)
	require.Zero(t, status, problems)
	assert.Contains(t, out, "Key 1 (of a test) is revoked")
	out, _, _ = run(t, "key", "list", "--database-url", databaseURL)
	assert.Regexp(t, `2 +of a test +llk_.{4}… +logs:write +- +100 +active`, out)
	assert.Regexp(t, `1 +of a test +llk_.{4}… +logs:write +- +100 +revoked`, out)
	assert.NotContains(t, out, secret)

	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"rotate", "1"}, "there is no active key 1"},
		{[]string{"rotate", "77"}, "there is no active key 77"},
		{[]string{"revoke", "77"}, "there is no key 77"},
		{[]string{"create", "--name=x", "--scopes=all"}, "--scopes must be of logs:write, logs:read, rebuilds, keys"},
		{[]string{"create", "--name=x", "--scopes=keys,keys"}, "--scopes must be given once each"},
		{[]string{"create", "--name=x", "--scopes=keys", "--user", uuid.NewString()}, "--scopes must be of logs:write, logs:read for a key of one user"},
		{[]string{"create", "--name=x", "--scopes=keys", "--expires=-1d"}, "--expires: must be a time such as 90d or 12h"},
		{[]string{"create", "--name=x", "--scopes=keys", "--expires=0d"}, "--expires must be in the future"},
		{[]string{"create", "--name=x", "--scopes=keys", "--rate=0"}, "--rate must be at least 1"},
		{[]string{"create", "--name=x", "--scopes=keys", "--rate=1000000001"}, "--rate must be from 1 to 1000000000"},
		{[]string{"create", "--name=a\u202eb", "--scopes=keys"}, "--name must be of 1 to 100 printable characters"},
	} {
		_, problems, status := run(t, append(append([]string{"key"}, test.arguments...), "--database-url", databaseURL)...)
		assert.Equal(t, 2, status, test.arguments)
		assert.Contains(t, problems, test.says, test.arguments)
	}
}

func TestKnownKeysStayKnownWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	server, err := embeddedpg.Start(t.Context(), embeddedpg.Config{DataDir: dataDir(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	stop := sync.OnceValue(server.Stop)
	t.Cleanup(func() { _ = stop() })
	s := serve(t, "--auth=keys", "--database-url", server.URL(), "--request-timeout=2s")
	key := newKey(t, server.URL(), "--scopes=logs:read")
	unused := newKey(t, server.URL(), "--scopes=logs:read")
	path := "/v1/users/" + uuid.NewString() + "/summary"
	require.Equal(t, http.StatusOK, s.with(key, http.MethodGet, path, "", "").status)

	require.NoError(t, stop())

	assert.Equal(t, http.StatusServiceUnavailable, s.with(key, http.MethodGet, path, "", "").status, "it is the database that is missed")
	assert.Equal(t, http.StatusForbidden, s.with(key, http.MethodGet, "/metrics", "", "").status, "what it may not is known too")
	assert.Equal(t, http.StatusUnauthorized, s.with("llk_made_up", http.MethodGet, path, "", "").status)
	assert.Equal(t, http.StatusServiceUnavailable, s.with(unused, http.MethodGet, path, "", "").status,
		"nobody can say that it is no key")
}

// A stream may last for hours, and whoever sends it may be known no longer.
func TestAStreamEndsWithItsKey(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	managing, key := newKey(t, databaseURL, "--scopes=keys"), newKey(t, databaseURL, "--scopes=logs:write")
	logs, body := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+batchPath, logs)
	require.NoError(t, err)
	request.Header.Set("Content-Type", ndjson)
	request.Header.Set("Authorization", "Bearer "+key)
	go func() { _, _ = io.WriteString(body, newLog(uuid.New(), 1)+"\n") }()
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	outcomes := bufio.NewReader(response.Body)
	line, err := outcomes.ReadBytes('\n')
	require.NoError(t, err)
	assert.Equal(t, []string{"recorded"}, lineOutcomes(t, line))
	require.Equal(t, http.StatusOK, s.with(managing, http.MethodDelete, "/v1/keys/2", "", "").status)

	go func() { _, _ = io.WriteString(body, newLog(uuid.New(), 1)+"\n"); _ = body.Close() }()

	rest, err := io.ReadAll(outcomes)
	require.NoError(t, err)
	assert.Regexp(t, `^{"index":1,"request_id":"[^"]+","outcome":"unauthenticated","retryable":false}\n$`, string(rest))
	pool := pgtest.Open(t, databaseURL)
	var recorded int
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM learning_log`).Scan(&recorded))
	assert.Equal(t, 1, recorded)
}

func TestWhoeverGuessesKeepsNobodyFromLoggingIn(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	key := newKey(t, databaseURL, "--scopes=logs:read")
	require.Equal(t, http.StatusOK, s.with(key, http.MethodGet, "/", "", "").status)
	for range 25 {
		s.with("llk_made_up", http.MethodGet, "/metrics", "", "")
	}
	logIn := func(key string) int {
		return s.with("", http.MethodPost, "/login", "application/x-www-form-urlencoded", url.Values{"key": {key}}.Encode()).status
	}
	assert.Equal(t, http.StatusSeeOther, logIn(key))
	assert.Equal(t, http.StatusTooManyRequests, logIn("llk_made_up"))
}

// Whoever reaches a Unix socket is on this machine, so nobody needs to be asked.
func TestAServiceMayListenAtASocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(dataDir(t), "socket")
	for range 2 { // the second time, the socket of a process that was killed is there
		command := exec.Command(program, "serve", "--addr", "unix:"+path, "--database-url", pgtest.URL(t))
		command.Env = environment()
		require.NoError(t, command.Start())
		require.Eventually(t, func() bool {
			_, _, status := run(t, "health", "--addr", "unix:"+path)
			return status == 0
		}, eventually, often)
		_, problems, status := run(t, "serve", "--addr", "unix:"+path, "--data-dir", dataDir(t))
		assert.Equal(t, 2, status)
		assert.Contains(t, problems, "is in use by another process")
		require.NoError(t, command.Process.Kill())
		_ = command.Wait()
	}
	_, problems, status := run(t, "serve", "--addr", "unix:socket")
	assert.Equal(t, 2, status)
	assert.Contains(t, problems, "unix:/run/learninglog.sock")
}
