package main_test

import (
	"fmt"
	"net/http"
	"os/user"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// auditPage is a page of GET /v1/audit.
type auditPage struct {
	Records []struct {
		Actor, Action, Subject string
	}
	NextCursor string `json:"next_cursor"`
}

// texts returns the records as "actor: action: subject".
func (p auditPage) texts() []string {
	texts := make([]string, len(p.Records))
	for i, r := range p.Records {
		texts[i] = r.Actor + ": " + r.Action + ": " + r.Subject
	}
	return texts
}

// as sends a request with a key, and requires its status.
func (s *service) as(key string, status int, method, path, contentType, body string) answer {
	s.t.Helper()
	got := s.with(key, method, path, contentType, body)
	require.Equal(s.t, status, got.status, "%s %s: %s", method, path, got.body)
	return got
}

func TestEveryDoorRecordsWhatIsDone(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	key, problems, status := run(t, "key", "create", "--name", "backend", "--scopes", "logs:write,logs:read,rebuilds", "--database-url", databaseURL)
	require.Zero(t, status, problems)
	key = strings.TrimSpace(key)
	s := serve(t, "--auth=keys", "--database-url", databaseURL)
	const form, operator = "application/x-www-form-urlencoded", "key 1 (backend): "
	learner, other := uuid.New(), uuid.New()
	post := func(user uuid.UUID) string {
		id := uuid.New()
		s.as(key, http.StatusCreated, http.MethodPost, "/v1/learning-logs", "application/json", logWithID(id, user, 1))
		return id.String()
	}
	target := func(user uuid.UUID) string {
		return fmt.Sprintf(`{"request_id":"%s","user_id":"%s"}`, post(user), user)
	}
	var want []string // the newest first
	done := func(record string) { want = append([]string{record}, want...) }
	do := func(record string, status int, method, path, contentType, body string) {
		t.Helper()
		s.as(key, status, method, path, contentType, body)
		done(operator + record)
	}
	account, err := user.Current()
	require.NoError(t, err)
	commandLine := "command line (" + account.Username + "): "
	done(commandLine + "key.created: key 1 (\"backend\"): logs:write, logs:read, rebuilds")

	one := "/v1/users/" + learner.String() + "/learning-logs/" + post(learner)
	do("logs.voided: 1 log of user "+learner.String(), http.StatusOK, http.MethodDelete, one, "", "")
	s.as(key, http.StatusOK, http.MethodDelete, one, "", "") // again, which does nothing
	many := target(learner) + "," + target(learner) + `,{"request_id":"` + uuid.NewString() + `","user_id":"` + learner.String() + `"}`
	do("logs.voided: 2 logs of user "+learner.String(), http.StatusOK, http.MethodPost, "/v1/learning-logs/void", "application/json", "["+many+"]")
	do("logs.voided: 2 logs of several users", http.StatusOK, http.MethodPost, "/v1/learning-logs/void", ndjson, target(learner)+"\n"+target(other))
	do("logs.voided: 1 log of user "+other.String(), http.StatusSeeOther, http.MethodPost,
		"/users/"+other.String()+"/learning-logs/"+post(other)+"/void", form, "")

	s.as(key, http.StatusOK, http.MethodPut, "/admin/jobs/api/queues/default/pause", "application/json", "{}")
	done(operator + "queue.paused: queue default")
	s.as(key, http.StatusNotFound, http.MethodPost, "/admin/jobs/api/jobs/retry", "application/json", `{"ids":["77"]}`)
	do("rebuild.requested: verify 1 of user "+learner.String(), http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "application/json",
		`{"dry_run":true,"user_id":"`+learner.String()+`"}`)
	do("rebuild.cancelled: verify 1 of user "+learner.String(), http.StatusOK, http.MethodDelete, "/v1/rebuilds/1", "", "")
	do("rebuild.requested: rebuild 2 of everybody", http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "application/json", "")
	do("rebuilds.cancelled: all that waited: 1", http.StatusSeeOther, http.MethodPost, "/admin/rebuilds/cancel", form, "")
	do("rebuild.requested: rebuild 3 of everybody", http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "application/json", "")
	do("jobs.cancelled: jobs 3", http.StatusOK, http.MethodPost, "/admin/jobs/api/jobs/cancel", "application/json", `{"ids":["3","3"]}`)
	do("queue.resumed: queue default", http.StatusSeeOther, http.MethodPost, "/admin/queues/default/resume", form, "")
	do("rezone.requested: re-zone 4 of everybody to Asia/Tokyo", http.StatusSeeOther, http.MethodPost, "/admin/rezones", form, "time_zone=Asia/Tokyo")
	do("purge.requested: dry run of a purge 5 of logs that are older than 400 days", http.StatusAccepted, http.MethodPost, "/v1/purges", "application/json",
		`{"older_than_days":400,"dry_run":true}`)
	do("purge.requested: purge 6 of logs that are older than 9000 days", http.StatusSeeOther, http.MethodPost, "/admin/purges", form, "days=9000&action=purge")
	_, problems, status = run(t, "verify", "--from=2026-01-01", "--database-url", databaseURL)
	require.Zero(t, status, problems)
	done(commandLine + "rebuild.requested: verify 7 of everybody, from 2026-01-01")

	var all auditPage
	s.as(key, http.StatusOK, http.MethodGet, "/v1/audit", "", "").decode(t, &all)
	assert.Equal(t, want, all.texts())
	assert.Empty(t, all.NextCursor)
	assert.Contains(t, s.log.String(), `msg=done actor="key 1 (backend)" action=jobs.cancelled subject="jobs 3"`)
	assertNever(t, s.log.String(), key, "level=ERROR")

	var got []string
	for path := "/v1/audit?limit=7"; path != ""; {
		answered := s.as(key, http.StatusOK, http.MethodGet, path, "", "")
		var page auditPage
		answered.decode(t, &page)
		got = append(got, page.texts()...)
		link := answered.header.Get("Link")
		assert.Equal(t, page.NextCursor == "", link == "")
		path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
	}
	assert.Equal(t, want, got)
	wrong := s.as(key, http.StatusUnprocessableEntity, http.MethodGet, "/v1/audit?cursor=x", "", "").problem(t)
	assert.Equal(t, "query.cursor", wrong.Errors[0].Location)
}

func TestWhereNobodyIsAskedTheRecordHasAddresses(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "")
	var page auditPage
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/audit", "").decode(t, &page)
	assert.Equal(t, []string{"somebody at 127.0.0.1: rebuild.requested: rebuild 1 of everybody"}, page.texts())
}

func TestOldRecordsOfWhatWasDoneAreDeletedUnlessTheyAreKeptForEver(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	_, err := pool.Exec(t.Context(), `
		INSERT INTO learninglog_audit (at, actor, action, subject) VALUES
		    (now() - interval '364 days', 'key 1 (x)', 'key.revoked', 'key 2 (x)'),
		    (now() - interval '366 days', 'key 1 (x)', 'key.revoked', 'key 3 (x)')`)
	require.NoError(t, err)
	left := func() (left int) {
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM learninglog_audit`).Scan(&left))
		return left
	}

	serve(t, "--database-url", databaseURL, "--keep-audit=0").stop()
	assert.Equal(t, 2, left())
	serve(t, "--database-url", databaseURL)
	require.Eventually(t, func() bool { return left() == 1 }, eventually, often)
}

func TestThePageOfWhatWasDone(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	_, err := pgtest.Open(t, databaseURL).Exec(t.Context(), `
		INSERT INTO learninglog_audit (actor, action, subject)
		SELECT 'key 1 (<b>backend</b>)', 'queue.resumed', 'number ' || i FROM generate_series(1, 120) AS i`)
	require.NoError(t, err)
	assert.Contains(t, string(s.get("/admin").body), `href="/admin/audit"`)

	row := regexp.MustCompile(`<td>number (\d+)</td>`)
	older := regexp.MustCompile(`rel="next" href="([^"]+)"`)
	var got []string
	for path := "/admin/audit"; path != ""; {
		page := string(s.get(path).body)
		assert.Contains(t, page, "key 1 (&lt;b&gt;backend&lt;/b&gt;)")
		for _, found := range row.FindAllStringSubmatch(page, -1) {
			got = append(got, found[1])
		}
		path = ""
		if found := older.FindStringSubmatch(page); found != nil {
			path = "/admin/audit" + found[1]
		}
	}
	require.Len(t, got, 120)
	assert.Equal(t, "120", got[0])
	assert.Equal(t, "1", got[119])
	assert.Equal(t, http.StatusUnprocessableEntity, s.get("/admin/audit?after=x").status)

	b := browse(t, s)
	b.open("/admin/audit")
	b.isAccessible("the audit record")
	b.withoutScripts()
	b.open("/admin")
	b.follow(`a[href="/admin/audit"]`)
	b.follow(`a[rel="next"]`)
	assert.Equal(t, "number 70", b.text(".records tbody tr td:last-child"))
}
