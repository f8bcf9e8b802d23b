package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrInUse means that another process runs the server of the data directory.
var ErrInUse = errors.New("the data directory is in use by another learninglog: " +
	"stop that one, or choose another with --data-dir")

// longestSocketDir is the longest directory that fits into the address of a Unix
// socket, besides the name of the socket, on the system with the lowest limit.
const longestSocketDir = 103 - len("/.s.PGSQL.5432")

// layout has the absolute paths of the contents of a data directory.
type layout struct {
	root, data, run, log, lock string
}

func layoutOf(root string) layout {
	if absolute, err := filepath.Abs(root); err == nil {
		root = absolute
	}
	run := filepath.Join(root, "run")
	return layout{
		root: root,
		data: filepath.Join(root, "data"),
		run:  run,
		log:  filepath.Join(run, "postgres.log"),
		lock: filepath.Join(root, "lock"),
	}
}

func (l layout) check() error {
	if len(l.run) > longestSocketDir {
		return fmt.Errorf("the path of the data directory is too long for a socket: %s has %d bytes, and %d is the most; "+
			"choose a shorter one with --data-dir", l.run, len(l.run), longestSocketDir)
	}
	if strings.Contains(l.run, ",") {
		return fmt.Errorf("the path of the data directory has a comma, which separates sockets for PostgreSQL: %s; "+
			"choose another with --data-dir", l.root)
	}
	return nil
}

// create creates the data directory if it doesn't exist. The server's user can enter
// it, whatever the umask of this process is.
func (l layout) create() error {
	_, err := os.Stat(l.root)
	if errors.Is(err, os.ErrNotExist) {
		defer func() { _ = os.Chmod(l.root, 0o755) }() //nolint:gosec // see above
	}
	if err := os.MkdirAll(l.root, 0o755); err != nil { //nolint:gosec // the server's user must be able to enter it
		return fmt.Errorf("the data directory can't be created: %w; choose another with --data-dir, "+
			"or set DATABASE_URL to use another database", err)
	}
	return nil
}

// createRun creates run/ if it doesn't exist. initdb creates data/.
func (l layout) createRun(ctx context.Context, owner owner) error {
	if err := os.Mkdir(l.run, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("the data directory can't be written to: %w; choose another with --data-dir", err)
	}
	if err := owner.chown(l.run); err != nil {
		return fmt.Errorf("giving %s to the user %s: %w", l.run, owner.name, err)
	}
	return owner.checkAccess(ctx, l.root)
}

// clusterMajor returns the major version of PostgreSQL that created the cluster, or
// 0 if there is no cluster yet.
func (l layout) clusterMajor() (int, error) {
	version, err := os.ReadFile(filepath.Join(l.data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		if target, err := os.Readlink(l.data); err == nil {
			return 0, fmt.Errorf("%s leads to %s, where there is no database: mount it, remove the link, or choose another --data-dir",
				l.data, target)
		}
		if entries, _ := os.ReadDir(l.data); len(entries) > 0 {
			return 0, fmt.Errorf("%s is not empty and is no PostgreSQL cluster: choose another --data-dir, or move it away", l.data)
		}
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading the version of the database: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(version)))
	if err != nil {
		return 0, fmt.Errorf("reading the version of the database in %s: %w", l.data, err)
	}
	return major, nil
}

// unfinishedPrefix is the prefix of the names of clusters that are being created.
// The names differ, because the initdb of a process that was killed may still run
// for a moment.
const unfinishedPrefix = "data.unfinished"

// removeUnfinished removes clusters whose creation was interrupted, as far as it
// can.
func (l layout) removeUnfinished() {
	entries, _ := os.ReadDir(l.root)
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), unfinishedPrefix) {
			_ = os.RemoveAll(filepath.Join(l.root, entry.Name()))
		}
	}
}

// socketAnswers reports whether a server is running.
func (l layout) socketAnswers(ctx context.Context) bool {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(l.run, ".s.PGSQL."+port))
	if err != nil {
		return false
	}
	_ = connection.Close()
	return true
}

// removeEmptyPIDFile removes the empty postmaster.pid that a power failure may
// leave, and that PostgreSQL would take for a server that is just starting. A new
// file is not removed, because a server may really be starting.
func (l layout) removeEmptyPIDFile() error {
	const moment = 10 * time.Second
	path := filepath.Join(l.data, "postmaster.pid")
	info, _ := os.Stat(path)
	if info == nil || info.Size() > 0 || time.Since(info.ModTime()) < moment {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing an empty %s: %w", path, err)
	}
	return nil
}

func (l layout) hasPIDFile() bool {
	_, err := os.Stat(filepath.Join(l.data, "postmaster.pid"))
	return err == nil
}

// lockFile takes the lock that says that this process runs the server. The system
// releases it when the process ends, however it ends.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644) //nolint:gosec // so that another user gets a clear error message
	if err != nil {
		return nil, fmt.Errorf("the data directory can't be written to: %w; choose another with --data-dir", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrInUse
	}
	return nil, fmt.Errorf("locking the data directory: %w", err)
}

// lastLines returns the last lines of a log, for a person.
func lastLines(path string) string {
	const count = 8
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
