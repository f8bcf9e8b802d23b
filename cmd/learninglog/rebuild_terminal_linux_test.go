package main_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// A person who watches sees a bar. Ctrl-C ends only the watching.
func TestWatchingARebuildOnATerminal(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	id := s.beginRebuild(databaseURL)
	shown, terminal := openTerminal(t)
	command := exec.Command(program, "rebuild", "watch", strconv.FormatInt(id, 10), "--database-url", databaseURL)
	command.Env, command.Stderr = environment(), terminal
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	require.Eventually(t, func() bool {
		return strings.Contains(shown.String(), "\r") && strings.Contains(shown.String(), "drifted")
	}, eventually, often, "%q", shown)

	require.NoError(t, command.Process.Signal(os.Interrupt))
	require.Error(t, command.Wait())

	assert.Equal(t, 2, command.ProcessState.ExitCode())
	for _, says := range []string{"goes on", "learninglog rebuild watch 1", "learninglog rebuild cancel 1"} {
		require.Eventually(t, func() bool { return strings.Contains(shown.String(), says) }, eventually, often, "%q", shown)
	}
	assert.Equal(t, "running", s.rebuild(id).State)
}
