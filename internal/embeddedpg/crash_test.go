package embeddedpg_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

func TestAServerThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	server := mustStart(t, usedDir(t))
	remember(t, server.URL(), "committed")
	url := server.URL()

	for range 2 {
		died := server.PID()
		require.NoError(t, syscall.Kill(died, syscall.SIGKILL))
		require.Eventually(t, func() bool { return server.PID() != died }, 30*time.Second, time.Millisecond,
			"the server isn't started again")
	}

	assert.Equal(t, []string{"committed"}, remembered(t, url))
	assert.Equal(t, url, server.URL())
}

func TestStopEndsAServerThatIsBeingStartedAgain(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	server, err := start(dir)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(server.PID(), syscall.SIGKILL))
	waitUntilEnded(t, server.PID())

	require.NoError(t, server.Stop())

	assert.NoError(t, startOnce(dir), "the data directory is free")
}

func TestTheServerEndsWithAServiceThatIsKilled(t *testing.T) {
	t.Parallel()
	needLinux(t)
	dir := usedDir(t)
	service := startService(t, nil, dir)
	remember(t, service.URL, "committed")

	service.kill()
	waitUntilEnded(t, service.PID)

	assert.NoFileExists(t, filepath.Join(dir, "data", "postmaster.pid"), "it wasn't shut down in order")
	assert.Equal(t, []string{"committed"}, remembered(t, mustStart(t, dir).URL()))
}

func TestStartTakesOverFromAServiceThatWasKilledJustNow(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	service := startService(t, nil, dir)
	remember(t, service.URL, "committed")

	service.kill()
	server := mustStart(t, dir)

	assert.Equal(t, []string{"committed"}, remembered(t, server.URL()))
	assert.True(t, ended(service.PID), "two servers run at once")
}

func TestStartFinishesACreationWhoseServiceWasKilled(t *testing.T) {
	t.Parallel()
	dir := emptyDir(t)
	program := startProgram(t, nil, nil, "service", dir)
	waitUntilCreating(t, dir)

	program.kill()
	server := mustStart(t, dir)

	remember(t, server.URL(), "after all")
	assert.Equal(t, []string{"after all"}, remembered(t, server.URL()))
}

// The child processes of a killed server hold its shared memory until they notice.
// PostgreSQL can't start until then.
func TestStartWaitsForWhatAKilledServerLeftBehind(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	service := startService(t, nil, dir)
	remember(t, service.URL, "committed")
	child := query[int](t, service.URL, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")[0]
	require.NoError(t, syscall.Kill(child, syscall.SIGSTOP))
	t.Cleanup(func() { _ = syscall.Kill(child, syscall.SIGKILL) })
	require.NoError(t, syscall.Kill(service.PID, syscall.SIGKILL))
	waitUntilEnded(t, service.PID)
	service.kill()

	started := make(chan error, 1)
	go func() { started <- startOnce(dir) }()
	require.Eventually(t, func() bool { return logged(t, dir, "pre-existing shared memory block") },
		30*time.Second, time.Millisecond, "nothing was in the way")
	require.NoError(t, syscall.Kill(child, syscall.SIGCONT))

	require.NoError(t, <-started)
	assert.Equal(t, []string{"committed"}, remembered(t, mustStart(t, dir).URL()))
}

// After a power failure, the process id of the server may belong to any other
// process.
func TestStartEndsNobodyElsesProcess(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	command := startInnocent(t, dir)
	innocent := command.Process.Pid
	pidFile := fmt.Sprintf("%d\n%s/data\n1700000000\n5432\n%s/run\n\n", innocent, dir, dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(pidFile), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	started := make(chan error, 1)
	go func() {
		server, err := embeddedpg.Start(ctx, embeddedpg.Config{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = server.Stop()
		}
		started <- err
	}()
	require.Eventually(t, func() bool { return ended(innocent) || logged(t, dir, "postmaster.pid\" already exists") },
		30*time.Second, time.Millisecond, "PostgreSQL doesn't mind")

	assert.False(t, ended(innocent), "it was ended")
	cancel()
	require.Error(t, <-started)
	require.NoError(t, command.Process.Kill())
	require.Error(t, command.Wait())
	assert.NoError(t, startOnce(dir), "now that nothing has the process id")
}

// startInnocent starts another process of the user who owns the database.
func startInnocent(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	command := exec.Command("cat")
	if owner := ownerOf(t, filepath.Join(dir, "data")); owner != os.Geteuid() {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(owner)}}
	}
	_, err := command.StdinPipe() // it reads until the tests end, at the latest
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

func waitUntilCreating(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		found, err := filepath.Glob(filepath.Join(dir, "data.unfinished*", "base"))
		return err == nil && len(found) > 0
	}, 30*time.Second, time.Millisecond, "no database is created")
}

// logged reports whether the server's log contains a text.
func logged(t *testing.T, dir, text string) bool {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dir, "run", "postgres.log"))
	return err == nil && strings.Contains(string(log), text)
}

// A power failure may leave such a file.
func TestAnEmptyPIDFileIsNoServer(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	require.NoError(t, os.WriteFile(pidFile, nil, 0o600))
	longAgo := time.Now().Add(-time.Minute)
	require.NoError(t, os.Chtimes(pidFile, longAgo, longAgo))

	assert.NoError(t, startOnce(dir))
}

func TestAServerWhoseSocketDirectoryIsGoneIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	server := mustStart(t, dir)
	died := server.PID()
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "run")))
	require.NoError(t, syscall.Kill(died, syscall.SIGKILL))

	require.Eventually(t, func() bool { return server.PID() != died }, 30*time.Second, time.Millisecond,
		"the server isn't started again")
}
