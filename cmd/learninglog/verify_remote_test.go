package main_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

func TestVerifyAsksAService(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	s := serve(t, "--database-url", url, "--auth=keys")
	key := writeFile(t, "key", newKey(t, url, "--scopes=rebuilds"))
	verify := func(arguments ...string) (stdout, stderr string, status int) {
		return run(t, append([]string{"verify", "--url", s.base}, arguments...)...)
	}

	stdout, stderr, status := verify("--key-file", key)
	assert.Equal(t, 0, status, stderr)
	assert.Contains(t, stdout, "No drift: every total is right.")

	driftedUsers(t, pgtest.Open(t, url), 3)
	stdout, stderr, status = verify("--key-file", key)
	assert.Equal(t, 1, status, stderr)
	assert.Contains(t, stdout, "Drift in 9 rows of the rollups. To repair it: ")
	assert.Contains(t, stdout, "By granularity: 3 days, 3 weeks, 3 months.")
	assert.Contains(t, stdout, "2026-01-14")

	stdout, stderr, status = verify("--key-file", key, "--user", uuid.NewString(), "--from=2026-01-01", "--to=2026-01-31", "--recorded-since=2026-01-01")
	assert.Equal(t, 0, status, stderr)
	assert.Contains(t, stdout, "Compared 0 logs of 0 users")

	_, stderr, status = verify()
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--key-file")
	_, stderr, status = verify("--key-file", writeFile(t, "other", newKey(t, url, "--scopes=logs:read")))
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "the scope rebuilds")
}

func TestVerifyCancelsWhatAServiceDoesForIt(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, url), 10_000)
	s := serve(t, append(slowly(), "--database-url", url)...)
	command := start(t, "verify", "--url", s.base, "--max-logs-per-second=1000")
	require.Eventually(t, func() bool {
		got, err := s.call(http.MethodGet, "/v1/rebuilds/1", "")
		return err == nil && got.status == http.StatusOK && s.rebuild(1).State == "running"
	}, eventually, often)

	require.NoError(t, command.Process.Signal(os.Interrupt))

	assert.Equal(t, 2, command.end())
	assert.Contains(t, command.stderr.String(), "verification 1 is cancelled")
	require.Eventually(t, func() bool { return s.rebuild(1).State == "cancelled" }, eventually, often)
}

// The service may have taken the request, although its answer hasn't arrived.
func TestVerifyCancelsWhatItIsJustRequesting(t *testing.T) {
	t.Parallel()
	const watched = 200 * time.Millisecond // for how long it must not give up
	asked, interrupted, cancelled := make(chan struct{}), make(chan struct{}), make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			cancelled <- r.URL.Path
		} else {
			close(asked)
			<-interrupted
			select {
			case <-r.Context().Done():
				return
			case <-time.After(watched):
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":7,"state":"running"}`)
	}))
	t.Cleanup(s.Close)
	command := start(t, "verify", "--url", s.URL)
	<-asked

	require.NoError(t, command.Process.Signal(os.Interrupt))
	close(interrupted)

	assert.Equal(t, 2, command.end())
	assert.Contains(t, command.stderr.String(), "verification 7 is cancelled")
	select {
	case path := <-cancelled:
		assert.Equal(t, "/v1/rebuilds/7", path)
	default:
		assert.Fail(t, "nothing is cancelled")
	}
}

// hadBegun makes a verification of everything that has passed all users, but hasn't ended:
// it waits for another attempt.
func hadBegun(t testing.TB, url string) {
	t.Helper()
	_, err := openJobs(t, url).Request(t.Context(), rebuild.Args{DryRun: true})
	require.NoError(t, err)
	execute(t, url, `
		UPDATE river.river_job SET state = 'retryable', attempt = 1, attempted_at = now(), scheduled_at = now() + interval '1 hour',
		    metadata = jsonb_build_object(
		        'river:resumable_step', 'chunks',
		        'river:resumable_cursor', jsonb_build_object('chunks', jsonb_build_object(
		            'from', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'done', false, 'progress', jsonb_build_object())))`)
}

func TestVerifyOfAServiceDoesNotTrustOneThatHadBegunBefore(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	hadBegun(t, url)
	driftedUsers(t, pgtest.Open(t, url), 3)
	s := serve(t, "--database-url", url)
	command := start(t, "verify", "--url", s.base)
	require.Eventually(t, func() bool { return strings.Contains(command.stdout.String(), "waiting for it") }, eventually, often)

	execute(t, url, `UPDATE river.river_job SET scheduled_at = now()`)

	assert.Equal(t, 1, command.end(), command.stderr.String())
	assert.Regexp(t, `^verification 1 of the same scope had begun before, and its workers and pace hold: waiting for it
verification 1 has ended; now for one that begins now
Compared 3 logs of 3 users with their rollups.
Drift in 9 rows`, command.stdout.String())
	assert.Equal(t, "completed", s.rebuild(1).State)
}

func TestVerifyLeavesWhatOthersHadRequested(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	hadBegun(t, url)
	s := serve(t, "--database-url", url)
	command := start(t, "verify", "--url", s.base)
	require.Eventually(t, func() bool { return strings.Contains(command.stdout.String(), "waiting for it") }, eventually, often)

	require.NoError(t, command.Process.Signal(os.Interrupt))

	assert.Equal(t, 2, command.end())
	assert.Contains(t, command.stderr.String(), "verification 1, which had been requested before, goes on")
	assert.Equal(t, "retryable", s.rebuild(1).State)
}

func TestVerifyGoesOnWhenAServiceAsksItToWait(t *testing.T) {
	t.Parallel()
	refusals := []int{http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusServiceUnavailable}
	polls := make(chan time.Time, len(refusals)+1)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = fmt.Fprint(w, `{"id":7,"state":"running"}`)
			return
		}
		poll := len(polls)
		polls <- time.Now()
		if poll < len(refusals) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(refusals[poll])
			return
		}
		_, _ = fmt.Fprint(w, `{"id":7,"state":"completed","finished_at":"2026-11-23T07:00:00Z"}`)
	}))
	t.Cleanup(service.Close)

	stdout, stderr, status := run(t, "verify", "--url", service.URL)

	assert.Equal(t, 0, status, stderr)
	assert.Contains(t, stdout, "No drift")
	for last := <-polls; len(polls) > 0; {
		next := <-polls
		assert.GreaterOrEqual(t, next.Sub(last), time.Second, "not before it is told to")
		last = next
	}
}
