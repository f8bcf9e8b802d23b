package main_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
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
