package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

// A full disk of the database is an outage like any other: the answer is 503 until
// there is room again, and no acknowledged log is lost.
func TestTheDiskIsFull(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	disk, err := mountDisk(t, dir)
	if err != nil {
		t.Skip("no disk could be mounted, to be filled: run the tests as root, where mounting is allowed: ", err)
	}
	s := serve(t, "--data-dir", dir, "--request-timeout=2s")
	databaseURL := embeddedpg.URL(dir)
	l := newLoad(t, func() string { return s.base })
	l.start()
	l.waitForMore(5)
	execute(t, databaseURL, `SELECT pg_switch_wal()`) // so that it is the room for logs that runs out
	l.waitForMore(5)

	disk.fill()
	l.waitForUnavailable()
	assert.True(t, s.log.contains("SQLSTATE 53100"), "it was noticed for what it is")
	disk.free()

	l.waitForMore(5)
	l.stop()
	l.check(databaseURL).assertNothingWrong(t)
	l.assertSummaries(s, databaseURL)
}

// disk is a mounted file system that can be filled.
type disk struct {
	t    testing.TB
	path string
}

// mountDisk mounts a disk. It is unmounted when the test ends.
func mountDisk(t testing.TB, path string) (*disk, error) {
	t.Helper()
	if output, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=755,"+roomy, "learninglog-test", path).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	t.Cleanup(func() {
		// The server may have files open there, as it stops only after this.
		output, err := exec.Command("umount", "--lazy", path).CombinedOutput()
		require.NoError(t, err, "%s", output)
	})
	return &disk{t, path}, nil
}

const roomy = "size=4g"

// fill shrinks the disk to the size of its content.
func (d *disk) fill() {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		var now syscall.Statfs_t
		require.NoError(d.t, syscall.Statfs(d.path, &now))
		used := (now.Blocks - now.Bfree) * uint64(now.Bsize)
		return d.resize(fmt.Sprintf("size=%d", used)) == nil // fails if more has been written meanwhile
	}, eventually, often, "the disk can't be filled")
}

// free makes room again.
func (d *disk) free() {
	d.t.Helper()
	require.NoError(d.t, d.resize(roomy))
}

func (d *disk) resize(size string) error {
	output, err := exec.Command("mount", "-o", "remount,"+size, d.path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// mountLogs moves the logs to a disk of their own.
func (i *installation) mountLogs() (err error) {
	path := dataDir(i.t)
	if i.disk, err = mountDisk(i.t, path); err != nil {
		return err
	}
	owned, err := os.Stat(i.server.DataDir() + "/data")
	require.NoError(i.t, err)
	owner, ok := owned.Sys().(*syscall.Stat_t)
	require.True(i.t, ok)
	require.NoError(i.t, os.Chown(path, int(owner.Uid), int(owner.Gid)))
	i.execute(fmt.Sprintf(`CREATE TABLESPACE small LOCATION '%s'`, path))
	i.execute(`ALTER TABLE learning_log SET TABLESPACE small`)
	i.execute(`ALTER INDEX learning_log_pkey SET TABLESPACE small`)
	return nil
}

func (i *installation) fillDisk() {
	i.disk.fill()
	i.load.waitForUnavailable()
	i.disk.free()
}
