package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const oldestMajor = 15

// binaries is a directory with the programs of one version of PostgreSQL.
type binaries struct {
	dir   string
	major int
}

// findBinaries returns binaries that can run a cluster of the given major version.
// If major is 0, it returns any that are new enough. It downloads binaries if there
// are none.
func findBinaries(ctx context.Context, config Config, major int) (binaries, error) {
	var found []string
	for _, dir := range distinct(binDirs(ctx, config)) {
		candidate, err := inspect(ctx, dir)
		if err != nil {
			continue
		}
		if candidate.major == major || major == 0 && candidate.major >= oldestMajor {
			return candidate, nil
		}
		found = append(found, fmt.Sprintf("%d in %s", candidate.major, candidate.dir))
	}
	if ctx.Err() != nil { // this may be why nothing was found
		return binaries{}, context.Cause(ctx)
	}
	if len(config.BinDirs) > 0 {
		return binaries{}, wrongMajorError(config.DataDir, major, found, errors.New("only the given folders are searched"))
	}
	downloaded, err := download(ctx, major, config.Logger)
	if err != nil {
		return binaries{}, wrongMajorError(config.DataDir, major, found, err)
	}
	return downloaded, nil
}

func wrongMajorError(dataDir string, major int, found []string, downloading error) error {
	here := "none"
	if len(found) > 0 {
		here = strings.Join(found, ", ")
	}
	if major == 0 {
		return fmt.Errorf("no PostgreSQL %d or newer found on this machine (found: %s), nor downloaded (%w): "+
			"install PostgreSQL, or set DATABASE_URL", oldestMajor, here, downloading)
	}
	return fmt.Errorf("%s was created by PostgreSQL %d, which is neither on this machine (found: %s) nor downloaded (%w): "+
		"install PostgreSQL %d, or choose another --data-dir; nothing was changed", dataDir, major, here, downloading, major)
}

// binDirs returns the directories that may have PostgreSQL's programs, best first.
func binDirs(ctx context.Context, config Config) []string {
	if len(config.BinDirs) > 0 {
		return config.BinDirs
	}
	var dirs []string
	if output, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(output)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",          // Debian
		"/usr/pgsql-*/bin",                   // Red Hat
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		matches, _ := filepath.Glob(pattern)
		slices.Sort(matches)
		slices.Reverse(matches) // newest first
		dirs = append(dirs, matches...)
	}
	if postgres, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(postgres))
	}
	return dirs
}

// distinct returns the elements without duplicates, in the same order.
func distinct(dirs []string) (once []string) {
	for _, dir := range dirs {
		if !slices.Contains(once, dir) {
			once = append(once, dir)
		}
	}
	return once
}

// inspect determines the version of the programs in dir.
func inspect(ctx context.Context, dir string) (binaries, error) {
	for _, name := range []string{"initdb", "pg_ctl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return binaries{}, err
		}
	}
	output, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return binaries{}, err
	}
	match := regexp.MustCompile(`\(PostgreSQL\) (\d+)`).FindSubmatch(output)
	if match == nil {
		return binaries{}, fmt.Errorf("unexpected answer of %s/postgres --version: %q", dir, output)
	}
	major, err := strconv.Atoi(string(match[1]))
	return binaries{dir: dir, major: major}, err
}

// initialize creates the cluster in a temporary directory and then renames that, so
// that an incomplete cluster isn't mistaken for a complete one.
func (b binaries) initialize(ctx context.Context, dirs layout, owner owner) error {
	dirs.removeUnfinished()
	unfinished, err := os.MkdirTemp(dirs.root, unfinishedPrefix)
	if err != nil {
		return fmt.Errorf("the data directory can't be written to: %w; choose another with --data-dir", err)
	}
	if err := owner.chown(unfinished); err != nil {
		return fmt.Errorf("giving the database to the user %s: %w", owner.name, err)
	}
	// Everybody who can connect to the socket is trusted: only the owner and root
	// can.
	initdb := b.command(ctx, dirs, owner, "initdb",
		"--pgdata", unfinished, "--username", UserName, "--auth", "trust",
		"--encoding", "UTF8", "--locale", "C", "--data-checksums")
	if output, err := finish(initdb); err != nil {
		return fmt.Errorf("creating the database: %w:\n%s", err, output)
	}
	_ = os.Remove(dirs.data) // an empty directory would prevent the rename
	if err := os.Rename(unfinished, dirs.data); err != nil {
		return fmt.Errorf("creating the database: %w", err)
	}
	dirs.removeUnfinished()
	return nil
}

// stopOrphan stops a server that was left behind by a process that died, unless the
// system has stopped it. No other process needs the server, because this process
// holds the lock. Whether the server runs is found out from its socket. The process
// id in its file proves nothing, because another process may have it by now.
func (b binaries) stopOrphan(ctx context.Context, dirs layout, owner owner) error {
	if !dirs.hasPIDFile() || !dirs.socketAnswers(ctx) {
		return dirs.removeEmptyPIDFile()
	}
	stop := b.command(ctx, dirs, owner, "pg_ctl", "stop", "--pgdata", dirs.data, "--mode", "fast", "--wait", "--timeout", "60")
	if output, err := finish(stop); err != nil && dirs.socketAnswers(ctx) { // it may have ended by itself meanwhile
		return fmt.Errorf("a PostgreSQL server still runs in %s and can't be stopped: %w: %s", dirs.data, err, output)
	}
	return nil
}

// startServer starts the server's process.
func (b binaries) startServer(dirs layout, owner owner, settings []string) (*process, error) {
	// The owner of the directory may replace this file by a link. Root must not
	// follow the link, and must not give away the file that it leads to.
	log, err := os.OpenFile(dirs.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	if err := owner.chownFile(log); err != nil {
		return nil, err
	}
	// The server must outlive the context with which it was started.
	command := b.command(context.Background(), dirs, owner, "postgres", append([]string{"-D", dirs.data}, settings...)...)
	command.Stdout, command.Stderr = log, log
	return startProcess(command)
}

// command returns a command that runs as the owner, in a directory that the owner
// can enter, and without the PG… environment variables of this process.
func (b binaries) command(ctx context.Context, dirs layout, owner owner, name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(b.dir, name), arguments...)
	command.Dir = dirs.root
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	if runtime.GOOS == "darwin" {
		command.Env = append(command.Env, "LC_ALL=en_US.UTF-8") // otherwise the server may report that it "became multithreaded during startup"
	}
	command.SysProcAttr = attributes(owner)
	return command
}

// finish runs a command to its end, and returns its output. The calling thread must
// live until then: see startProcess.
func finish(command *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return command.CombinedOutput()
}
