package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// erasingSoon makes a service erase sooner: an erasure waits for as long as a request may.
const erasingSoon = "--request-timeout=5s"

// erase erases a user, and waits until the user is erased.
func (s *service) erase(user uuid.UUID) {
	s.t.Helper()
	var job struct{ ID int64 }
	got := s.mustCall(http.StatusAccepted, http.MethodDelete, "/v1/users/"+user.String(), "")
	got.decode(s.t, &job)
	assert.Equal(s.t, fmt.Sprintf("/v1/rebuilds/%d", job.ID), got.header.Get("Location"))
	s.awaitErased(user)
}

func (s *service) awaitErased(user uuid.UUID) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		got, err := s.call(http.MethodGet, "/v1/erasures?limit=1000", "")
		return err == nil && regexp.MustCompile(`"user_id":"`+user.String()+`","erased_at":"[^"]+","done_at"`).Match(got.body)
	}, 2*time.Minute, often, "the user is not erased")
}

// naming returns how many rows of which tables name one of some users.
func naming(t testing.TB, pool *pgxpool.Pool, users ...uuid.UUID) map[string]int {
	t.Helper()
	var names []string
	for _, user := range users {
		names = append(names, user.String())
	}
	rows, err := pool.Query(t.Context(), `
		SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
		WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema', 'witness')`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	found := make(map[string]int)
	for _, table := range tables {
		var n int
		require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` AS one WHERE one::text ~ $1`, strings.Join(names, "|")).Scan(&n))
		if n > 0 {
			found[table] = n
		}
	}
	return found
}

func TestAnErasedLearnerIsGoneAndStaysGoneWhileEverybodyWrites(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	first, second := serve(t, erasingSoon, "--database-url", databaseURL), serve(t, erasingSoon, "--database-url", databaseURL)
	gone, other := uuid.New(), uuid.New()
	early := logWithID(uuid.New(), gone, 12, `"timestamp":"2026-01-14T08:30:00Z"`)
	first.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", early)
	first.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", `{"dry_run":true,"user_id":"`+gone.String()+`"}`)

	var recorded, refused atomic.Int64
	writing, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for i := range 4 {
		s := []*service{first, second}[i%2]
		writers.Go(func() {
			for writing.Err() == nil {
				got, err := s.send(http.MethodPost, "/v1/learning-logs/batch", ndjson, newLog(gone, 1)+"\n"+newLog(other, 1)+"\n"+early+"\n")
				if !assert.NoError(t, err) || !assert.Equal(t, http.StatusOK, got.status) {
					return
				}
				lines := strings.Split(strings.TrimSpace(string(got.body)), "\n")
				if !assert.Len(t, lines, 3) {
					return
				}
				assert.Contains(t, lines[1], `"outcome":"recorded"`)
				recorded.Add(1)
				if strings.Contains(lines[0], `"outcome":"erased","retryable":false`) {
					refused.Add(1)
				} else {
					assert.Contains(t, lines[0], `"outcome":"recorded"`)
				}
			}
		})
	}
	require.Eventually(t, func() bool { return recorded.Load() > 50 }, eventually, often)
	first.erase(gone)
	require.Eventually(t, func() bool { return refused.Load() > 50 }, eventually, often)
	stop()
	writers.Wait()

	assert.Equal(t, map[string]int{"public.learninglog_erased_users": 1, "public.learninglog_audit": 1}, naming(t, pool, gone))
	words, entries := second.total(other)
	assert.Equal(t, []int64{recorded.Load(), recorded.Load()}, []int64{int64(words), int64(entries)})
	assert.Empty(t, pgtest.Drift(t, pool))

	second.stop()
	second = serve(t, erasingSoon, "--database-url", databaseURL)
	for _, s := range []*service{first, second} {
		wrong := s.mustCall(http.StatusGone, http.MethodPost, "/v1/learning-logs", early).problem(t)
		assert.Equal(t, "/problems/erased", wrong.Type)
		s.mustCall(http.StatusGone, http.MethodDelete, "/v1/users/"+gone.String()+"/learning-logs/"+uuid.NewString(), "")
		array := s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs/batch", "["+early+"]")
		assert.Contains(t, string(array.body), `"erased":1`)
		words, entries = s.total(gone)
		assert.Zero(t, words+entries, "it looks as if the learner had never been")
	}
}

func TestKeysAndSessionsOfAnErasedLearnerAreWorthNothing(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	learner := uuid.New()
	key := func(arguments ...string) string {
		stdout, stderr, status := run(t, append([]string{"key", "create", "--database-url", databaseURL}, arguments...)...)
		require.Zero(t, status, stderr)
		return strings.TrimSpace(stdout)
	}
	operator := key("--name=ops", "--scopes=logs:read,rebuilds")
	theirs := key("--name=app", "--scopes=logs:read,logs:write", "--user="+learner.String())
	s, other := serve(t, erasingSoon, "--auth=keys", "--database-url", databaseURL), serve(t, erasingSoon, "--auth=keys", "--database-url", databaseURL)
	path := "/v1/users/" + learner.String()
	assert.Equal(t, http.StatusOK, other.with(theirs, http.MethodGet, path+"/summary", "", "").status)
	assert.Equal(t, http.StatusOK, other.with(theirs, http.MethodGet, path+"/export", "", "").status, "a learner may take all along")
	assert.Equal(t, http.StatusForbidden, other.with(theirs, http.MethodDelete, path, "", "").status, "but only operators may erase")
	s.as(operator, http.StatusAccepted, http.MethodDelete, path, "", "")
	s.key = operator
	s.awaitErased(learner)

	require.Eventually(t, func() bool {
		return other.with(theirs, http.MethodGet, path+"/summary", "", "").status == http.StatusUnauthorized
	}, eventually, often)
	assert.Equal(t, map[string]int{"public.learninglog_erased_users": 1, "public.learninglog_audit": 1},
		naming(t, pgtest.Open(t, databaseURL), learner))
}

func TestAnErasureGoesOnAfterACrash(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	s := serve(t, erasingSoon, "--database-url", databaseURL)
	user := uuid.New()
	fill(t, pool, user, 30_000)
	s.mustCall(http.StatusAccepted, http.MethodDelete, "/v1/users/"+user.String(), "")
	require.Eventually(t, func() bool { return countLogs(t, pool, user) < 30_000 }, eventually, time.Millisecond)
	s.kill()
	left := countLogs(t, pool, user)
	require.Positive(t, left, "it was in the middle")
	assert.Empty(t, pgtest.Drift(t, pool))

	s = serve(t, erasingSoon, "--database-url", databaseURL)

	s.awaitErased(user)
	assert.Zero(t, countLogs(t, pool, user))
	assert.Empty(t, pgtest.Drift(t, pool))
}

func countLogs(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) (logs int) {
	t.Helper()
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM learning_log WHERE user_id = $1`, user).Scan(&logs))
	return logs
}

// fill records logs of a user by SQL.
func fill(t *testing.T, pool *pgxpool.Pool, user uuid.UUID, logs int) {
	t.Helper()
	for _, statement := range []string{`
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), $1, 1, '2026-01-01Z'::timestamptz + n * interval '7 minutes' FROM generate_series(1, $2) AS n`, `
		INSERT INTO learning_log_aggregates
		SELECT user_id, g::learning_log_granularity, date_trunc(g, "timestamp" AT TIME ZONE 'UTC')::date, sum(word_count), count(*)
		FROM learning_log, unnest(ARRAY['day', 'week', 'month']) AS g WHERE user_id = $1 AND $2 > 0 GROUP BY 1, 2, 3`} {
		_, err := pool.Exec(t.Context(), statement, user, logs)
		require.NoError(t, err)
	}
}

// exported returns an export without what is of this service: when it was made, when logs
// were recorded, and keys.
func (s *service) exported(user uuid.UUID) string {
	s.t.Helper()
	text := string(s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/export", "").body)
	return regexp.MustCompile(`"(exported_at|recorded_at)":"[^"]+"`).ReplaceAllString(text, `"$1":""`)
}

func TestWhatWasExportedAndErasedCanBeImportedAgain(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	s := serve(t, erasingSoon, "--database-url", databaseURL)
	user := uuid.New()
	voided := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(uuid.New(), user, 12, `"timestamp":"2026-01-14T23:30:00.123456Z","time_zone":"Asia/Tokyo"`))
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(voided, user, 7, `"timestamp":"2026-01-15T08:30:00Z"`))
	s.mustCall(http.StatusOK, http.MethodDelete, "/v1/users/"+user.String()+"/learning-logs/"+voided.String(), "")
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(uuid.New(), user, 3, `"timestamp":"2026-01-16T08:30:00Z"`))
	for range 2 {
		restored, err := s.send(http.MethodPost, "/v1/sealed-days", ndjson, fmt.Sprintf(
			`{"user_id":"%s","day":"2025-03-01","total_word_count":500,"entry_count":40}`+"\n"+`{"user_id":"%[1]s","day":"2026-01-16","total_word_count":5,"entry_count":4}`, user))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, restored.status, "%s", restored.body)
		assert.Contains(t, string(restored.body), `{"index":1,"outcome":"conflict","retryable":false}`)
	}
	summary := "/v1/users/" + user.String() + "/summary?granularity=day&from=2025-01-01&to=2026-02-01"
	before, all := s.mustCall(http.StatusOK, http.MethodGet, summary, "").body, s.exported(user)
	require.Contains(t, string(before), `"total_word_count":515,"entry_count":42`)
	require.Equal(t, 5, strings.Count(all, "\n"))
	file, spreadsheet := filepath.Join(t.TempDir(), "learner.ndjson"), filepath.Join(t.TempDir(), "learner.csv")
	for path, format := range map[string]string{file: "ndjson", spreadsheet: "csv"} {
		_, stderr, status := run(t, "export", "--user", user.String(), "--url", s.base, "--output", path, "--format", format)
		require.Zero(t, status, stderr)
	}
	_, stderr, status := run(t, "erase", "--user", user.String(), "--database-url", databaseURL)
	assert.Equal(t, 2, status, "it must be said that one is sure")
	assert.Contains(t, stderr, "--yes")
	stdout, stderr, status := run(t, "erase", "--yes", "--wait", "--user", user.String(), "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "Erased 1 user with 3 logs.")
	list, _, status := run(t, "erase", "--list", "--database-url", databaseURL)
	require.Zero(t, status)
	assert.Contains(t, list, user.String())

	stdout, _, status = run(t, "import", file, "--url", s.base)
	assert.Equal(t, 1, status, "nothing is recorded of the learner")
	assert.Contains(t, stdout, "of erased learners")
	rejects, err := os.ReadFile(file + ".rejects.ndjson")
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(rejects), `"outcome":"erased"`), "%s", rejects)
	assert.Empty(t, pgtest.Drift(t, pool))

	_, stderr, status = run(t, "erase", "--undo", "--user", user.String(), "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	require.Eventually(t, func() bool {
		_, _, status := run(t, "import", file, "--url", s.base)
		return status == 0
	}, eventually, often)
	_, stderr, status = run(t, "import", file, "--url", s.base)
	require.Zero(t, status, "again: %s", stderr)

	assert.Equal(t, string(before), string(s.mustCall(http.StatusOK, http.MethodGet, summary, "").body), "byte for byte")
	assert.Equal(t, all, s.exported(user))
	assert.Empty(t, pgtest.Drift(t, pool))
	s.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", logWithID(voided, user, 7, `"timestamp":"2026-01-15T08:30:00Z"`))

	another := serve(t, erasingSoon, "--database-url", pgtest.URL(t))
	_, stderr, status = run(t, "import", spreadsheet, "--url", another.base)
	require.Zero(t, status, stderr)
	var logs []string
	for line := range strings.Lines(all) {
		if strings.HasPrefix(line, `{"learning_log"`) {
			logs = append(logs, line)
		}
	}
	assert.True(t, strings.HasSuffix(another.exported(user), strings.Join(logs, "")), "%s", another.exported(user))
}

func TestAListOfErasedLearnersIsAppliedAfterARestore(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, erasingSoon, "--database-url", databaseURL)
	gone, other := uuid.New(), uuid.New()
	s.recordFor(5, gone, other)
	s.stop()
	list := filepath.Join(t.TempDir(), "erased.ndjson")
	require.NoError(t, os.WriteFile(list, fmt.Appendf(nil, `{"user_id":"%s","erased_at":"2026-01-01T00:00:00Z"}`+"\n", gone), 0o600))

	_, stderr, status := run(t, "erase", "--from", list, "--yes", "--wait", "--database-url", databaseURL)

	require.Zero(t, status, stderr)
	pool := pgtest.Open(t, databaseURL)
	assert.Zero(t, countLogs(t, pool, gone))
	assert.Equal(t, 1, countLogs(t, pool, other))
	s = serve(t, erasingSoon, "--database-url", databaseURL)
	s.mustCall(http.StatusGone, http.MethodPost, "/v1/learning-logs", newLog(gone, 1))
}

// Each log of the writer has as many words as there are logs before it. So a snapshot has all
// words up to a number, and its sealed day, contents and logs agree.
func TestAnExportIsOneSnapshotWhileOthersWrite(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	writing, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; writing.Err() == nil; n++ {
			// The newest is the first in the order of an export.
			at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(-time.Duration(n) * time.Minute).Format(time.RFC3339)
			s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, n, `"timestamp":"`+at+`"`))
		}
	}()
	for range 50 {
		body := s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/export", "").body
		lines := strings.Split(strings.TrimSpace(string(body)), "\n")
		var begin struct {
			Export struct {
				Logs int `json:"learning_logs"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &begin))
		require.Len(t, lines[1:], begin.Export.Logs)
		for i, line := range lines[1:] {
			require.Contains(t, line, fmt.Sprintf(`"word_count":%d,`, len(lines)-2-i))
		}
	}
	stop()
	<-done
}

func TestAnExportOf200000LogsTakesConstantMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory of its own")
	}
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	fill(t, pgtest.Open(t, databaseURL), user, 200_000)
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/export?format=csv", "") // once, for what any request needs
	before := s.residentMemory("VmHWM")

	got := s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/export", "")

	assert.Greater(t, len(got.body), 40<<20)
	assert.Less(t, s.residentMemory("VmHWM")-before, int64(10<<20), "more than %s", megabytes(before))
	assert.Less(t, before, int64(150<<20))
}
