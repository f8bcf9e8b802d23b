package embeddedpg_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

func TestAnyUserRunsAServerOfTheirOwn(t *testing.T) {
	t.Parallel()
	nobody := unprivileged(t)
	home := emptyDir(t)
	give(t, nobody, home)
	dir := filepath.Join(home, "share", "learninglog")

	service := startService(t, nobody, dir)
	remember(t, service.URL, "kept")
	service.stop(t)
	service = startService(t, nobody, dir)

	assert.Equal(t, []string{"kept"}, remembered(t, service.URL))
	for _, path := range []string{dir, dir + "/data", dir + "/run", dir + "/lock"} {
		assert.Equal(t, ownerOf(t, home), ownerOf(t, path), path)
	}
}

func TestRootGivesPostgreSQLNoMoreThanItsOwnFolders(t *testing.T) {
	t.Parallel()
	needRoot(t)

	dir := example.dir(t)

	postgres := ownerOf(t, dir+"/data")

	assert.NotZero(t, postgres)
	assert.Equal(t, postgres, ownerOf(t, dir+"/run"))
	assert.Zero(t, ownerOf(t, dir))
	assert.Zero(t, ownerOf(t, dir+"/lock"))
}

func TestRootRunsADatabaseAsTheUserToWhomItBelongs(t *testing.T) {
	t.Parallel()
	needRoot(t)
	needLinux(t)
	dir := usedDir(t)
	nobody := unprivileged(t)
	give(t, nobody, filepath.Join(dir, "data"))

	server := mustStart(t, dir)

	assert.EqualValues(t, nobody.Uid, ownerOf(t, fmt.Sprintf("/proc/%d", server.PID())))
	assert.EqualValues(t, nobody.Uid, ownerOf(t, filepath.Join(dir, "run")))
}

func TestADatabaseOfAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := usedDir(t)
	before := listing(t, dir)

	answer := startProgram(t, unprivileged(t), nil, "service", dir).answer(t)

	assert.Equal(t, fmt.Sprintf("%s/data belongs to the user with the id %d: run as that user, or choose another --data-dir",
		dir, ownerOf(t, dir+"/data")), answer.Error)
	assert.Equal(t, before, listing(t, dir))
}

func TestRootIsToldOfADirectoryThatPostgreSQLCantEnter(t *testing.T) {
	t.Parallel()
	needRoot(t)
	home := emptyDir(t)
	require.NoError(t, os.Chmod(home, 0o700))

	err := startOnce(filepath.Join(home, "data"))

	require.ErrorContains(t, err, "who can't enter "+home)
	require.ErrorContains(t, err, "choose a --data-dir that everybody may pass to")
}

// PostgreSQL's user may change anything in run/, and root opens the log there.
func TestTheLogLeadsRootToNoOtherFile(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := usedDir(t)
	secret := filepath.Join(emptyDir(t), "secret")
	require.NoError(t, os.WriteFile(secret, nil, 0o600))
	log := filepath.Join(dir, "run", "postgres.log")
	require.NoError(t, os.Remove(log))
	require.NoError(t, os.Symlink(secret, log))

	_ = startOnce(dir)

	assert.Zero(t, ownerOf(t, secret), "it was given away")
	content, err := os.ReadFile(secret)
	require.NoError(t, err)
	assert.Empty(t, string(content), "it was written to")
}

func TestRootLeavesTheServiceOfAnotherUserAloneFromItsStart(t *testing.T) {
	t.Parallel()
	needRoot(t)
	nobody := unprivileged(t)
	dir := emptyDir(t)
	give(t, nobody, dir)
	program := startProgram(t, nobody, nil, "service", dir)
	waitUntilCreating(t, dir)

	_, err := start(dir)

	require.ErrorIs(t, err, embeddedpg.ErrInUse)
	assert.EqualValues(t, nobody.Uid, ownerOf(t, filepath.Join(dir, "run")))
	require.Empty(t, program.answer(t).Error)
	service{program: program}.stop(t)
}
