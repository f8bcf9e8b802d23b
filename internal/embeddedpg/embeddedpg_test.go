package embeddedpg_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

func TestSharedBuffersFitTheMemory(t *testing.T) {
	t.Parallel()
	unknown := func() (uint64, error) { return 0, memlimit.ErrNoLimit }
	assert.Equal(t, "128MB", embeddedpg.SharedBuffers(unknown))
	for memory, buffers := range map[uint64]string{
		256 << 20: "128MB",
		1 << 30:   "128MB",
		2 << 30:   "256MB",
		24 << 30:  "3072MB",
		1 << 40:   "8192MB",
	} {
		assert.Equal(t, buffers, embeddedpg.SharedBuffers(memlimit.Limit(memory)), "%d bytes", memory)
	}
}

func TestStartCreatesADatabaseInAnEmptyDirectory(t *testing.T) {
	t.Parallel()
	dir := emptyDir(t)
	require.False(t, embeddedpg.Exists(dir))

	server := mustStart(t, dir)

	assert.Equal(t, []string{"learninglog"}, query[string](t, server.URL(), "SELECT current_database()::text"))
	assert.Equal(t, []string{"UTF8"}, query[string](t, server.URL(), "SHOW server_encoding"))
	assert.Equal(t, []string{"on"}, query[string](t, server.URL(), "SHOW data_checksums"))
	assert.Equal(t, []string{"off"}, query[string](t, server.URL(), "SHOW fsync"), "one of the settings that were given")
	assert.Equal(t, []string{"4GB"}, query[string](t, server.URL(), "SHOW max_wal_size"), "one of the embedded server's own")
	assert.True(t, embeddedpg.Exists(dir))
	assert.Equal(t, dir, server.DataDir())
	assert.Equal(t, embeddedpg.URL(dir), server.URL())
	assert.FileExists(t, server.LogFile())
	version := query[string](t, server.URL(), "SHOW server_version")[0]
	assert.True(t, strings.HasPrefix(version, fmt.Sprint(server.Version())), "%d is the major of %s", server.Version(), version)
}

func TestStartFindsTheDataOfTheLastTime(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	server, err := start(dir)
	require.NoError(t, err)
	remember(t, server.URL(), "kept")
	require.NoError(t, server.Stop())

	again := mustStart(t, dir)

	assert.Equal(t, []string{"kept"}, remembered(t, again.URL()))
}

func TestStopEndsTheServerAndClosesItsConnections(t *testing.T) {
	t.Parallel()
	server, err := start(usedDir(t))
	require.NoError(t, err)
	connection := connect(t, server.URL())
	pid := server.PID()

	require.NoError(t, server.Stop())

	assert.True(t, ended(pid))
	assert.Error(t, connection.Ping(t.Context()))
	assert.NoFileExists(t, filepath.Join(server.DataDir(), "data", "postmaster.pid"), "it wasn't shut down in order")
}

func TestNobodyElseReachesTheServer(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)

	server := mustStart(t, dir)

	assert.Equal(t, []string{""}, query[string](t, server.URL(), "SHOW listen_addresses"), "no TCP port")
	assert.Equal(t, fs.ModeDir|0o700, mode(t, filepath.Join(dir, "run")))
	assert.Equal(t, fs.ModeSocket|0o700, mode(t, filepath.Join(dir, "run", ".s.PGSQL.5432")))
	assert.Equal(t, fs.FileMode(0o600), mode(t, server.LogFile()))
	assert.Equal(t, fs.ModeDir|0o700, mode(t, filepath.Join(dir, "data")))
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return info.Mode()
}

func TestTheNameOfADataDirectoryMayHave(t *testing.T) {
	t.Parallel()
	const longest = 103 - len("/run/.s.PGSQL.5432")
	for _, test := range []struct{ name, dir string }{
		{"as many bytes as a socket's leaves to it", strings.Repeat("x", longest)},
		{"blanks and what means something in an address", "Application Support/%41+&?#=:@'\"ö"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := emptyDir(t) + "/"
			dir += test.dir[:min(len(test.dir), longest-len(dir))]
			require.NoError(t, os.MkdirAll(dir, 0o755))
			copyExample(t, dir)

			server := mustStart(t, dir)

			assert.Equal(t, []int{1}, query[int](t, server.URL(), "SELECT 1"))
		})
	}
}

func TestStartFinishesAnInterruptedCreation(t *testing.T) {
	t.Parallel()
	dir := emptyDir(t)
	unfinished := filepath.Join(dir, "data.unfinished")
	require.NoError(t, os.Mkdir(unfinished, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(unfinished, "PG_VERSION"), []byte("15\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))

	server := mustStart(t, dir)

	assert.Equal(t, []string{"learninglog"}, query[string](t, server.URL(), "SELECT current_database()::text"))
	assert.NoDirExists(t, unfinished)
}
