package embeddedpg_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

func TestADirectoryHasOneService(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	service := startService(t, nil, dir)
	before := listing(t, filepath.Join(dir, "run"))

	_, err := start(dir)

	require.ErrorIs(t, err, embeddedpg.ErrInUse)
	assert.EqualError(t, err, dir+": the data directory is in use by another learninglog: "+
		"stop that one, or choose another with --data-dir")
	assert.Equal(t, before, listing(t, filepath.Join(dir, "run")))
	remember(t, embeddedpg.URL(dir), "from beside")
	assert.Equal(t, []string{"from beside"}, remembered(t, service.URL))
	service.stop(t)
	assert.NoError(t, startOnce(dir), "the directory is free again")
}

func TestADirectoryOfThisProcessIsInUseToo(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	server := mustStart(t, dir)

	_, err := start(dir)

	require.ErrorIs(t, err, embeddedpg.ErrInUse)
	assert.Equal(t, []int{1}, query[int](t, server.URL(), "SELECT 1"))
}

func TestAnotherMajorsDatabaseIsRefusedAndNotTouched(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	server, err := start(dir)
	require.NoError(t, err)
	remember(t, server.URL(), "kept")
	require.NoError(t, server.Stop())
	before := listing(t, filepath.Join(dir, "data"))
	other := standIn(t, 99)

	_, err = embeddedpg.Start(t.Context(), embeddedpg.Config{DataDir: dir, BinDirs: []string{other}})

	require.ErrorContains(t, err, fmt.Sprintf("%s was created by PostgreSQL %d", dir, server.Version()))
	require.ErrorContains(t, err, "found: 99 in "+other)
	require.ErrorContains(t, err, fmt.Sprintf("install PostgreSQL %d, or choose another --data-dir; nothing was changed", server.Version()))
	assert.Equal(t, before, listing(t, filepath.Join(dir, "data")))
	assert.NoFileExists(t, filepath.Join(other, "called"), "nothing but its version is asked")
	assert.Equal(t, []string{"kept"}, remembered(t, mustStart(t, dir).URL()))
}

func TestWithoutBinariesAPersonIsToldHowToGetThem(t *testing.T) {
	t.Parallel()
	dir := emptyDir(t)

	_, err := embeddedpg.Start(t.Context(), embeddedpg.Config{DataDir: dir, BinDirs: []string{t.TempDir(), standIn(t, 14)}})

	require.ErrorContains(t, err, "no PostgreSQL 15 or newer found on this machine (found: 14 in ")
	require.ErrorContains(t, err, "install PostgreSQL, or set DATABASE_URL")
	assert.NoDirExists(t, filepath.Join(dir, "data"))
}

func TestWhichBinariesAreUsed(t *testing.T) {
	t.Parallel()
	bin14, bin15, bin16, broken := standIn(t, 14), standIn(t, 15), standIn(t, 16), standIn(t, 17)
	require.NoError(t, os.Remove(filepath.Join(broken, "initdb")))
	for _, test := range []struct {
		name  string
		dirs  []string
		major int
		want  string
	}{
		{"the first that is new enough", []string{bin14, bin15, bin16}, 0, bin15},
		{"those that created the database", []string{bin15, bin16, bin14}, 16, bin16},
		{"those that created the database, as old as they are", []string{bin15, bin14}, 14, bin14},
		{"none that lack a program", []string{broken, bin15}, 0, bin15},
		{"none that aren't there", []string{"/nowhere", bin16}, 0, bin16},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			dir, _, err := embeddedpg.FindBinaries(t.Context(), embeddedpg.Config{BinDirs: test.dirs}, test.major)

			require.NoError(t, err)
			assert.Equal(t, test.want, dir)
		})
	}
}

// A search that was interrupted hasn't found out that there are no binaries.
func TestAnInterruptedSearchIsNoMissingPostgreSQL(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, _, err := embeddedpg.FindBinaries(ctx, embeddedpg.Config{BinDirs: []string{standIn(t, 15)}}, 0)

	require.Equal(t, context.Canceled, err)
}

func TestMissingBinariesSaysOnceWhatWasFound(t *testing.T) {
	t.Parallel()
	bin := standIn(t, 15)

	_, _, err := embeddedpg.FindBinaries(t.Context(), embeddedpg.Config{BinDirs: []string{bin, bin}}, 16)

	require.ErrorContains(t, err, "found: 15 in "+bin+")")
}

// standIn returns a directory with programs that report a major version of
// PostgreSQL, and record any other call. A shell writes the files: if this process
// wrote them, another test that starts a program at that moment would inherit them
// open for writing, and they couldn't be run.
func standIn(t *testing.T, major int) string {
	t.Helper()
	dir := emptyDir(t)
	const script = `cd "$1"
		printf '#!/bin/sh\n[ "$*" = --version ] && echo "postgres (PostgreSQL) %s.3" || touch "%s/called"\n' "$2" "$1" >postgres
		cp postgres initdb
		cp postgres pg_ctl
		chmod 755 postgres initdb pg_ctl
		chmod 777 .`
	run(t, "sh", "-ec", script, "sh", dir, fmt.Sprint(major))
	return dir
}

func TestADirectoryThatCantBeUsedIsRefusedInASentence(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		dir      func(t *testing.T) string
		what, do string
	}{
		{
			"a path that is too long for a socket",
			func(t *testing.T) string {
				t.Helper()
				return filepath.Join(emptyDir(t), strings.Repeat("x", 80))
			},
			"the path of the data directory is too long for a socket", "choose a shorter one with --data-dir",
		},
		{
			"data/ that is something else",
			func(t *testing.T) string {
				t.Helper()
				dir := emptyDir(t)
				require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "photo.jpg"), nil, 0o600))
				return dir
			},
			"data is not empty and is no PostgreSQL cluster", "choose another --data-dir, or move it away",
		},
		{
			"a file",
			func(t *testing.T) string {
				t.Helper()
				file := filepath.Join(emptyDir(t), "file")
				require.NoError(t, os.WriteFile(file, nil, 0o600))
				return file
			},
			"not a directory", "choose another with --data-dir",
		},
		{
			"below a file",
			func(t *testing.T) string {
				t.Helper()
				file := filepath.Join(emptyDir(t), "file")
				require.NoError(t, os.WriteFile(file, nil, 0o600))
				return filepath.Join(file, "below")
			},
			"not a directory", "choose another with --data-dir",
		},
		{
			"a path with a comma, which separates sockets",
			func(t *testing.T) string {
				t.Helper()
				return filepath.Join(emptyDir(t), "a,b")
			},
			"has a comma", "choose another with --data-dir",
		},
		{
			"data/ that leads to what isn't mounted",
			func(t *testing.T) string {
				t.Helper()
				dir := emptyDir(t)
				require.NoError(t, os.Symlink(emptyDir(t), filepath.Join(dir, "data")))
				return dir
			},
			"where there is no database", "mount it, remove the link, or choose another --data-dir",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := test.dir(t)

			err := startOnce(dir)

			require.ErrorContains(t, err, test.what)
			require.ErrorContains(t, err, test.do)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestADirectoryThatTheUserMayntWriteToIsRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		mode os.FileMode
		want string
	}{
		{"read-only", 0o555, "the data directory can't be written to"},
		{"closed", 0o000, "permission denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := emptyDir(t)
			require.NoError(t, os.Chmod(dir, test.mode))
			t.Cleanup(func() { require.NoError(t, os.Chmod(dir, 0o755)) })

			answer := startProgram(t, unprivileged(t), nil, "service", dir).answer(t)

			require.Contains(t, answer.Error, test.want)
			require.Contains(t, answer.Error, "choose another with --data-dir")
			assert.NotContains(t, answer.Error, "\n")
		})
	}
}

func TestADatabaseThatHasNoSuchUserIsRefused(t *testing.T) {
	t.Parallel()
	dir := usedDir(t)
	server, err := start(dir)
	require.NoError(t, err)
	_, err = connect(t, server.URL()).Exec(t.Context(), "CREATE ROLE other LOGIN SUPERUSER")
	require.NoError(t, err)
	other := connect(t, strings.Replace(server.URL(), "user=learninglog", "user=other", 1))
	_, err = other.Exec(t.Context(), "ALTER ROLE learninglog RENAME TO someone")
	require.NoError(t, err)
	require.NoError(t, server.Stop())

	err = startOnce(dir)

	require.ErrorContains(t, err, "is someone else's")
	require.ErrorContains(t, err, "choose another with --data-dir")
}
