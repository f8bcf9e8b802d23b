package embeddedpg_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

// settings make the server not wait for the disk. The tests only kill processes,
// never the machine, so nothing is lost.
func settings() map[string]string { return map[string]string{"fsync": "off"} }

// example is a data directory that was used once. Most tests copy it, because
// creating one takes longer than the rest of the test.
var example exampleDir //nolint:gochecknoglobals // testing has no other place to keep it between TestMain and the tests

type exampleDir struct {
	once sync.Once
	path string
	err  error
}

// dir returns the example's path.
func (e *exampleDir) dir(t *testing.T) string {
	t.Helper()
	e.once.Do(func() {
		if e.path, e.err = makeDir(); e.err == nil {
			e.err = startOnce(e.path)
		}
	})
	require.NoError(t, e.err, "creating an example")
	return e.path
}

func (e *exampleDir) remove() error { return os.RemoveAll(e.path) }

// emptyDir returns a directory that PostgreSQL's user can enter, with a path that is
// short enough for a socket. t.TempDir guarantees neither.
func emptyDir(t *testing.T) string {
	t.Helper()
	dir, err := makeDir()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func makeDir() (string, error) {
	dir, err := os.MkdirTemp("", "ll-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// usedDir returns a data directory that has been used before.
func usedDir(t *testing.T) string {
	t.Helper()
	dir := emptyDir(t)
	copyExample(t, dir)
	return dir
}

func copyExample(t *testing.T, dir string) {
	t.Helper()
	run(t, "cp", "-Rp", example.dir(t)+"/.", dir)
}

func run(t *testing.T, name string, arguments ...string) {
	t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	require.NoError(t, err, "%s", output)
}

func start(dir string) (*embeddedpg.Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return embeddedpg.Start(ctx, embeddedpg.Config{
		DataDir:  dir,
		Settings: settings(),
		Logger:   slog.New(slog.DiscardHandler),
	})
}

// mustStart starts a server that is stopped when the test ends.
func mustStart(t *testing.T, dir string) *embeddedpg.Server {
	t.Helper()
	server, err := start(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return server
}

// startOnce starts a server and stops it again.
func startOnce(dir string) error {
	server, err := start(dir)
	if err != nil {
		return err
	}
	return server.Stop()
}

// remember writes a word to a database, where remembered finds it.
func remember(t *testing.T, url, word string) {
	t.Helper()
	connection := connect(t, url)
	_, err := connection.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS words (word text)")
	require.NoError(t, err)
	_, err = connection.Exec(t.Context(), "INSERT INTO words VALUES ($1)", word)
	require.NoError(t, err)
}

func remembered(t *testing.T, url string) []string {
	t.Helper()
	return query[string](t, url, "SELECT word FROM words ORDER BY word")
}

func query[T any](t *testing.T, url, query string) []T {
	t.Helper()
	rows, err := connect(t, url).Query(t.Context(), query)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return values
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

// listing describes everything below a directory, so that any change changes the
// listing.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found = append(found, fmt.Sprintf("%s %s %d bytes, %s, of user %d",
			path, info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339Nano), ownerOf(t, path)))
		return nil
	}))
	return found
}

// ownerOf returns the id of the user who owns a file.
func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	return int(stat.Uid)
}

func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, afterName, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(afterName, "Z")
}

// unprivileged returns the credential of a user who isn't root, or nil if the user
// of the tests isn't root.
func unprivileged(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	if runtime.GOOS != "linux" {
		t.Skip("changing the user is only prepared for Linux: run the tests as another user than root")
	}
	return credential(t, "nobody")
}

func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	found, err := user.Lookup(name)
	require.NoError(t, err)
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	require.NoError(t, err)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// give makes a user the owner of a directory and everything in it.
func give(t *testing.T, as *syscall.Credential, dir string) {
	t.Helper()
	if as != nil {
		run(t, "chown", "-R", fmt.Sprintf("%d:%d", as.Uid, as.Gid), dir)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root changes the user: run the tests as root for this one")
	}
}

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a process with its parent, or shows it in /proc: run the tests on Linux")
	}
}
