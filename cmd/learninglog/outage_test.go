package main_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

// When a service stops, its embedded database stops too. Commands that wait continue
// when it is back.
func TestWaitingOutlivesTheServiceAndItsDatabase(t *testing.T) {
	t.Parallel()
	const logs = 4000
	dir := dataDir(t)
	s := serve(t, "--data-dir", dir, "--rebuild-chunk-logs=100")
	driftedUsers(t, pgtest.Open(t, embeddedpg.URL(dir)), logs)
	command := exec.Command(program, "verify", "--max-logs-per-second", "1000", "--data-dir", dir)
	stdout, stderr := new(lockedBuffer), new(lockedBuffer)
	command.Env, command.Stdout, command.Stderr = environment(), stdout, stderr
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	says := func(text string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(stderr.String(), text) }, eventually, often, "%s", stderr)
	}
	says("verify 1: ")

	s.stop()
	says("the database is away, and is waited for")
	serve(t, "--data-dir", dir)

	require.Error(t, command.Wait(), "there is drift")
	assert.Equal(t, 1, command.ProcessState.ExitCode(), stderr.String())
	assert.Contains(t, stdout.String(), "Compared 4000 logs")
	assert.Equal(t, 1, strings.Count(stderr.String(), "is away"), "it is said once: %s", stderr)
}
