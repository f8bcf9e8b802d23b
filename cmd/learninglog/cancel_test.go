package main_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

// rebuildState is the part of GET /v1/rebuilds/{id} that the tests use.
type rebuildState struct {
	ID       int64
	State    string
	Error    string
	Progress struct {
		LogsDone     int64 `json:"logs_done"`
		RowsRepaired int64 `json:"rows_repaired"`
	}
	CancelRequestedAt *time.Time `json:"cancel_requested_at"`
	FinishedAt        *time.Time `json:"finished_at"`
}

func (s *service) rebuild(id int64) (got rebuildState) {
	s.t.Helper()
	s.mustCall(http.StatusOK, http.MethodGet, rebuildPath(id), "").decode(s.t, &got)
	return got
}

func rebuildPath(id int64) string { return "/v1/rebuilds/" + strconv.FormatInt(id, 10) }

// slowly returns a flag that makes chunks so small that a rebuild with a pace pauses
// after every log. So it lasts as long as a test needs.
func slowly() []string { return []string{"--rebuild-chunk-logs", "1"} }

// driftedUsers creates n users, each with a log that isn't counted.
func driftedUsers(t testing.TB, pool *pgxpool.Pool, n int) {
	t.Helper()
	_, err := pool.Exec(context.Background(), `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), gen_random_uuid(), 1, '2026-01-14T08:30:00Z' FROM generate_series(1, $1)`, n)
	require.NoError(t, err)
}

// beginRebuild requests a slow rebuild, and returns its id when it has repaired
// something. It has the pace that only earlier versions allowed.
func (s *service) beginRebuild(databaseURL string) int64 {
	s.t.Helper()
	requested, err := openJobs(s.t, databaseURL).Request(context.Background(), rebuild.Args{Workers: 1, MaxLogsPerSecond: 1})
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		now := s.rebuild(requested.ID)
		return now.State == "running" && now.Progress.RowsRepaired > 0
	}, eventually, often, "it runs")
	return requested.ID
}

// openJobs returns the queue of rebuilds in a database, without working on them.
func openJobs(t testing.TB, databaseURL string) *rebuild.Jobs {
	t.Helper()
	jobs, err := rebuild.NewJobs(pgtest.Open(t, databaseURL), rebuild.Config{Schema: postgres.RiverSchema})
	require.NoError(t, err)
	return jobs
}

func assertCancelled(t testing.TB, s *service, pool *pgxpool.Pool, id int64, users int) {
	t.Helper()
	var got rebuildState
	require.Eventually(t, func() bool {
		got = s.rebuild(id)
		return got.FinishedAt != nil
	}, eventually, often, "it ends")
	assert.Equal(t, "cancelled", got.State)
	assert.NotNil(t, got.CancelRequestedAt)
	assert.Empty(t, got.Error, "a cancellation is no failure")
	assert.Positive(t, got.Progress.RowsRepaired)
	assert.Less(t, got.Progress.LogsDone, int64(users), "it didn't go on to the end")
	var kept int64
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT count(*) FROM learning_log_aggregates`).Scan(&kept))
	assert.Equal(t, got.Progress.RowsRepaired, kept, "what it says it repaired is what is repaired")
}

// cancel requests that a running rebuild is cancelled. It has ended already, or is
// about to.
func (s *service) cancel(id int64) answer {
	s.t.Helper()
	got := s.mustAnswer(http.MethodDelete, rebuildPath(id), "")
	require.Contains(s.t, []int{http.StatusOK, http.StatusAccepted}, got.status, "%s", got.body)
	return got
}

func TestCancelARebuild(t *testing.T) {
	t.Parallel()
	const users = 1000
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	driftedUsers(t, pool, users)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)

	id := s.beginRebuild(databaseURL)
	var answered rebuildState
	s.cancel(id).decode(t, &answered)
	assert.NotNil(t, answered.CancelRequestedAt)
	assertCancelled(t, s, pool, id, users)

	s.mustCall(http.StatusOK, http.MethodDelete, rebuildPath(id), "").decode(t, &answered)
	assert.Equal(t, "cancelled", answered.State, "one that has ended is answered as it is")
}

// The process that works on the rebuild is notified, whichever process gets the
// request.
func TestCancelARebuildThatAnotherProcessWorks(t *testing.T) {
	t.Parallel()
	const users = 1000
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	driftedUsers(t, pool, users)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	id := s.beginRebuild(databaseURL)

	stdout, stderr, status := run(t, "rebuild", "cancel", strconv.FormatInt(id, 10), "--database-url", databaseURL)

	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, fmt.Sprintf("rebuild %d is cancelled, after ", id))
	assertCancelled(t, s, pool, id, users)
}

func TestCancelARebuildWhoseProcessIsGone(t *testing.T) {
	t.Parallel()
	const users = 1000
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	driftedUsers(t, pool, users)
	dying := serve(t, append(slowly(), "--database-url", databaseURL)...)
	id := dying.beginRebuild(databaseURL)
	dying.kill()

	stdout, stderr, status := run(t, "rebuild", "cancel", strconv.FormatInt(id, 10), "--database-url", databaseURL)

	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "is cancelled")
	s := serve(t, "--database-url", databaseURL)
	assertCancelled(t, s, pool, id, users)
}

func TestCancelARebuildThatWaits(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	_, stderr, status := run(t, "rebuild", "--user", uuid.NewString(), "--database-url", databaseURL)
	require.Zero(t, status, stderr)

	stdout, stderr, status := run(t, "rebuild", "cancel", "1", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "rebuild 1 is cancelled")

	for command, says := range map[string]string{
		"cancel": "rebuild 1 has ended already: it was cancelled",
		"watch":  "rebuild 1 was cancelled, after 0 logs of 0 users; 0 rows repaired",
	} {
		_, stderr, status = run(t, "rebuild", command, "1", "--database-url", databaseURL)
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, says)
	}
}
