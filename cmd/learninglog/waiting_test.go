package main_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

// keepWorkersBusy begins two rebuilds that last longer than any test, so that others that
// are requested over HTTP wait.
func (s *service) keepWorkersBusy(databaseURL string) {
	s.t.Helper()
	jobs := openJobs(s.t, databaseURL)
	for _, dry := range []bool{false, true} {
		requested, err := jobs.Request(s.t.Context(), rebuild.Args{DryRun: dry, MaxLogsPerSecond: 1})
		require.NoError(s.t, err)
		require.Eventually(s.t, func() bool { return s.rebuild(requested.ID).State == "running" }, eventually, often)
	}
}

// requestMany requests rebuilds of users, and returns the first answer that isn't 202.
func (s *service) requestMany(n int) answer {
	s.t.Helper()
	for range n {
		got, err := s.call(http.MethodPost, "/v1/rebuilds", `{"user_id":"`+uuid.NewString()+`"}`)
		require.NoError(s.t, err)
		if got.status != http.StatusAccepted {
			return got
		}
	}
	return answer{}
}

func TestAFloodOfRebuildRequests(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	s.keepWorkersBusy(databaseURL)

	refused := s.requestMany(200)

	require.Equal(t, http.StatusServiceUnavailable, refused.status)
	assert.Equal(t, "/problems/unavailable", refused.problem(t).Type)
	assert.Contains(t, refused.problem(t).Detail, "100 rebuilds and re-zones wait or run")
	assert.Contains(t, refused.problem(t).Detail, "DELETE /v1/rebuilds")
	assert.Equal(t, "30", refused.header.Get("Retry-After"))

	stdout, stderr, status := run(t, "verify", "--user", uuid.NewString(), "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "Compared 0 logs", "an operator's is worked at once")

	var got struct{ Cancelled int }
	s.mustCall(http.StatusOK, http.MethodDelete, "/v1/rebuilds", "").decode(t, &got)
	assert.Equal(t, 98, got.Cancelled)
	assert.Equal(t, "running", s.rebuild(1).State)
	s.mustCall(http.StatusOK, http.MethodDelete, "/v1/rebuilds", "").decode(t, &got)
	assert.Zero(t, got.Cancelled)
	assert.Zero(t, s.requestMany(10).status, "there is room again")
}

func TestCancelTheRebuildsThatWaitByCommand(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	for range 2 {
		_, stderr, status := run(t, "rebuild", "--user", uuid.NewString(), "--database-url", databaseURL)
		require.Zero(t, status, stderr)
	}

	for _, cancelled := range []string{"cancelled: 2\n", "cancelled: 0\n"} {
		stdout, stderr, status := run(t, "rebuild", "cancel", "--waiting", "--database-url", databaseURL)
		require.Zero(t, status, stderr)
		assert.Equal(t, cancelled, stdout)
	}
}

func TestACommandThatIsOneTooManySaysWhatCanBeDone(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	jobs := openJobs(t, databaseURL)
	for range rebuild.MaxUnfinished {
		_, err := jobs.Request(t.Context(), rebuild.Args{Operator: true, Scope: rebuild.Scope{Users: []uuid.UUID{uuid.New()}}})
		require.NoError(t, err)
	}

	_, stderr, status := run(t, "rebuild", "--database-url", databaseURL)

	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "100 rebuilds and re-zones wait or run")
	assert.Contains(t, stderr, "rebuild cancel --waiting")
}

func TestAnOperatorCancelsAllThatWait(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %t", scripts), func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.URL(t)
			driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
			s := serve(t, append(slowly(), "--database-url", databaseURL)...)
			b := browse(t, s)
			if !scripts {
				b.withoutScripts()
			}
			b.open("/admin")
			assert.Zero(t, b.count(".waiting"), "there is nothing to cancel")
			s.keepWorkersBusy(databaseURL)
			require.Zero(t, s.requestMany(12).status)
			b.open("/admin")
			assert.Equal(t, "12 wait for their turn.", b.text(".waiting > p"))
			require.False(t, b.isVisible(".waiting button.main"), "it asks first")
			b.click(".waiting summary")
			if scripts {
				b.isAccessible("the operators' page while rebuilds wait")
				b.screenshot("waiting")
			}

			b.follow(".waiting button.main")

			b.until(`document.querySelector(".job .state")?.innerText === "cancelled"`)
			assert.Zero(t, b.count(".waiting"))
			assert.Equal(t, "running", s.rebuild(1).State)
		})
	}
}

func TestTheRebuildsThatWaitFitAPhone(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	s.keepWorkersBusy(databaseURL)
	require.Zero(t, s.requestMany(1).status)
	b := browse(t, s)
	b.narrow()
	b.open("/admin")

	b.do(chromedp.Click(chromedp.CSS(".waiting summary")))

	assert.Equal(t, "1 waits for its turn.", b.text(".waiting > p"))
	b.fits()
	b.screenshot("phone-waiting")
}
