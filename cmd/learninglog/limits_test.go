package main_test

import (
	"context"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

const logsPath = "/v1/learning-logs"

func assertQuotaExceeded(t *testing.T, got answer) {
	t.Helper()
	require.Equal(t, http.StatusTooManyRequests, got.status, "%s", got.body)
	assert.Equal(t, "/problems/quota-exceeded", got.problem(t).Type)
	seconds, err := strconv.Atoi(got.header.Get("Retry-After"))
	require.NoError(t, err)
	assert.Positive(t, seconds)
}

// anArray has as many logs as one may have at once. They aren't valid.
func anArray() string { return "[" + strings.TrimSuffix(strings.Repeat("0,", 10_000), ",") + "]" }

func TestAKeyMayHaveALimit(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	s := serve(t, "--database-url", url, "--auth=keys")
	limited := newKey(t, url, "--scopes=logs:write", "--rate=500")
	other := newKey(t, url, "--scopes=logs:write")
	file := writeFile(t, "logs.ndjson", strings.Repeat("x\n", 100)+newLog(uuid.New(), 1)+"\n")

	assert.Equal(t, http.StatusOK, s.with(limited, http.MethodPost, batchPath, "application/json", anArray()).status)
	assertQuotaExceeded(t, s.with(limited, http.MethodPost, batchPath, "application/json", anArray()))
	assert.Equal(t, http.StatusOK, s.with(other, http.MethodPost, batchPath, "application/json", anArray()).status)

	printed, problems, status := run(t, "import", "--url", s.base, "--key-file", writeFile(t, "key", limited), file)
	assert.Equal(t, 1, status, problems)
	assert.Equal(t, 1, counted(t, printed)["recorded"], "what is streamed is only slower")
}

func TestAddressesMayHaveALimit(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.EmptyURL(t), "--logs-per-second=1", "--trusted-proxies=127.0.0.0/8")
	from := func(address, path, body string) answer {
		return s.with("", http.MethodPost, path, "application/json", body, "X-Forwarded-For", "198.51.100.99, "+address)
	}
	assert.Equal(t, http.StatusOK, from("203.0.113.1", batchPath, anArray()).status)
	assertQuotaExceeded(t, from("203.0.113.1", batchPath, anArray())) // a single log might be free again by now
	assertQuotaExceeded(t, from("203.0.113.1", "/v1/learning-logs/void", anArray()))
	assert.Equal(t, http.StatusCreated, from("203.0.113.2", logsPath, newLog(uuid.New(), 1)).status)
	assert.Equal(t, http.StatusCreated, from("nonsense", logsPath, newLog(uuid.New(), 1)).status)
}

func TestAddressesThatGuessKeysAreHeldUp(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	s := serve(t, "--database-url", url, "--auth=keys", "--trusted-proxies=127.0.0.1")
	const guesser, other = "203.0.113.1", "203.0.113.2"
	from := func(address, key string) answer {
		return s.with(key, http.MethodGet, "/v1/rebuilds", "", "", "X-Forwarded-For", address)
	}
	known := newKey(t, url, "--scopes=rebuilds")
	assert.Equal(t, http.StatusOK, from(guesser, known).status)
	last := answer{}
	for tries := 0; last.status != http.StatusTooManyRequests; tries++ {
		require.Less(t, tries, 200)
		last = from(guesser, "llk_guess")
	}
	assert.Equal(t, "/problems/too-many-failures", last.problem(t).Type)
	assert.Contains(t, []string{"1", "2", "3"}, last.header.Get("Retry-After"))
	assert.Equal(t, http.StatusOK, from(guesser, known).status, "whoever else is at that address")
	assert.Equal(t, http.StatusUnauthorized, from(other, "llk_guess").status)
	assert.NotContains(t, s.log.String(), known)
}

// A proxy that connects to a socket has no address that could be named.
func TestBehindAProxyAtASocketCallersAreToldApart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(dataDir(t), "socket")
	command := exec.Command(program, "serve", "--addr", "unix:"+path, "--auth=keys", "--trusted-proxies=127.0.0.1", "--database-url", pgtest.URL(t))
	command.Env = environment()
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	guess := func(address string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/v1/rebuilds", nil)
		require.NoError(t, err)
		request.Header.Set("X-Forwarded-For", address)
		request.Header.Set("Authorization", "Bearer llk_guess")
		answer, err := client.Do(request)
		if err != nil {
			return 0
		}
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	require.Eventually(t, func() bool { return guess("203.0.113.1") == http.StatusTooManyRequests }, eventually, often)
	assert.Equal(t, http.StatusUnauthorized, guess("203.0.113.2"))
}

func TestTrustedProxiesMustBeAddresses(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{"proxy.example.com", "10.0.0.0/33", "::ffff:10.0.0.0/104"} {
		_, problems, status := run(t, "serve", "--data-dir", t.TempDir(), "--trusted-proxies="+wrong)
		assert.Equal(t, 2, status)
		assert.Contains(t, problems, "--trusted-proxies", wrong)
	}
	_, problems, status := run(t, "serve", "--data-dir", t.TempDir(), "--logs-per-second=-1")
	assert.Equal(t, 2, status)
	assert.Contains(t, problems, "--logs-per-second must be")
}
