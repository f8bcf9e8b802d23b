// Package embeddedpg runs a private PostgreSQL server in a data directory, for whoever hasn't got one.
//
// It finds the binaries or downloads them, creates the cluster, starts the
// server and starts it again when it dies. The server listens on a Unix socket
// that only its own user and root can reach, and ends with this process, however
// that ends. Everything survives a restart.
//
// In the data directory: data/ is PostgreSQL's own, run/ has the socket and the
// server's log, lock is held by the process that runs the server.
package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DatabaseName is the name of the service's own database.
const DatabaseName = "learninglog"

// UserName is the name of the database's owner.
const UserName = "learninglog"

// port is a part of the socket's name; nothing listens on TCP.
const port = "5432"

// Config says how to run the server.
type Config struct {
	// DataDir is where everything is kept. It is created if it isn't there.
	DataDir string
	// BinDirs are the folders to look in for PostgreSQL's binaries. Default:
	// the usual places, and then the download cache.
	BinDirs []string
	// Settings are added to the server's, as with postgres -c name=value.
	Settings map[string]string
	// Logger is told of what takes long and of what went wrong.
	Logger *slog.Logger
}

// Server is a running server. It is started again when it dies, until Stop.
type Server struct {
	config Config
	dirs   layout
	owner  owner
	bin    binaries
	lock   *os.File

	stopOnce sync.Once
	stopping chan struct{}
	stopped  chan struct{}

	mu      sync.Mutex
	process *process
}

// URL returns the address of the database of the server that runs in dataDir.
func URL(dataDir string) string {
	return databaseURL(layoutOf(dataDir), DatabaseName)
}

// Exists says whether dataDir has a database.
func Exists(dataDir string) bool {
	major, err := layoutOf(dataDir).clusterMajor()
	return err != nil || major != 0
}

// Start starts the server in config.DataDir and returns when its database can be
// used. Nobody else's server is touched: it fails with [ErrInUse] if another
// process runs one in this directory, and refuses a cluster that its binaries
// can't read.
func Start(ctx context.Context, config Config) (_ *Server, err error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	if config.DataDir, err = filepath.Abs(config.DataDir); err != nil {
		return nil, fmt.Errorf("finding the data directory: %w", err)
	}
	server := &Server{
		config:   config,
		dirs:     layoutOf(config.DataDir),
		stopping: make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	if err := server.prepare(ctx); err != nil {
		server.unlock()
		return nil, err
	}
	if err := server.launchPatiently(ctx); err != nil {
		server.unlock()
		return nil, err
	}
	go server.supervise(context.WithoutCancel(ctx))
	return server, nil
}

// URL returns the address of the server's database, for as long as it runs and
// after every restart.
func (s *Server) URL() string { return databaseURL(s.dirs, DatabaseName) }

// Version is the major version of PostgreSQL.
func (s *Server) Version() int { return s.bin.major }

// BinDir is where PostgreSQL's programs are.
func (s *Server) BinDir() string { return s.bin.dir }

// DataDir is the absolute path of the data directory.
func (s *Server) DataDir() string { return s.dirs.root }

// LogFile is the path of the server's log.
func (s *Server) LogFile() string { return s.dirs.log }

// PID is the process id of the server at the moment.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.pid()
}

// Stop shuts the server down, writes everything to disk and gives the data
// directory free. Open connections are closed.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() { close(s.stopping) })
	<-s.stopped
	defer s.unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop()
}

// prepare does everything up to the first start: directories, lock, binaries,
// cluster.
func (s *Server) prepare(ctx context.Context) (err error) {
	if err = s.dirs.check(); err != nil {
		return err
	}
	if err = s.dirs.create(); err != nil {
		return err
	}
	if s.lock, err = lockFile(s.dirs.lock); err != nil {
		return fmt.Errorf("%s: %w", s.dirs.root, err)
	}
	if s.owner, err = ownerOf(s.dirs); err != nil {
		return err
	}
	if err = s.dirs.createRun(ctx, s.owner); err != nil {
		return err
	}
	major, err := s.dirs.clusterMajor()
	if err != nil {
		return err
	}
	if s.bin, err = findBinaries(ctx, s.config, major); err != nil {
		return err
	}
	if err = s.bin.stopOrphan(ctx, s.dirs, s.owner); err != nil {
		return err
	}
	if major != 0 {
		return nil
	}
	s.config.Logger.InfoContext(ctx, "creating a database", "postgresql", s.bin.major, "directory", s.dirs.root)
	return s.bin.initialize(ctx, s.dirs, s.owner)
}

// launchPatiently launches the server, and tries again for a while where a
// server that was killed left something behind: its children may need a moment
// to notice, and hold its shared memory until then.
func (s *Server) launchPatiently(ctx context.Context) error {
	const (
		patience = 15 * time.Second
		pause    = 300 * time.Millisecond
	)
	wasKilled := s.dirs.hasPIDFile()
	deadline := time.Now().Add(patience)
	for {
		err := s.launch(ctx)
		if err == nil || !wasKilled || !errors.Is(err, errExited) || time.Now().After(deadline) {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// launch starts the server's process and waits until its database can be used.
func (s *Server) launch(ctx context.Context) error {
	if err := s.dirs.createRun(ctx, s.owner); err != nil { // somebody may have tidied up
		return err
	}
	process, err := s.bin.startServer(s.dirs, s.owner, s.settings())
	if err != nil {
		return fmt.Errorf("starting PostgreSQL: %w", err)
	}
	if err := s.waitUntilReady(ctx, process); err != nil {
		return errors.Join(err, process.stop())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process = process
	return nil
}

func (s *Server) settings() []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"port":                    port,
		"unix_socket_directories": s.dirs.run,
		"unix_socket_permissions": "0700",
		"logging_collector":       "off",
		"log_destination":         "stderr",
	}
	maps.Copy(settings, s.config.Settings)
	arguments := make([]string, 0, 2*len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}

// waitUntilReady returns when the service's database can be used. Recovery after
// a crash takes as long as it takes; the process ending is what ends the wait.
func (s *Server) waitUntilReady(ctx context.Context, process *process) error {
	const (
		pause       = 20 * time.Millisecond
		reportEvery = 5 * time.Second
	)
	reported := time.Now()
	for {
		err := s.ensureDatabase(ctx)
		if err == nil {
			return nil
		}
		if refused := new(pgconn.PgError); errors.As(err, &refused) && pgerrcode.IsInvalidAuthorizationSpecification(refused.Code) {
			return fmt.Errorf("the database in %s is someone else's: %w; choose another with --data-dir", s.dirs.data, refused)
		}
		select {
		case <-process.done:
			return fmt.Errorf("%w; the end of its log, %s:\n%s", errExited, s.dirs.log, lastLines(s.dirs.log))
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		if time.Since(reported) > reportEvery {
			s.config.Logger.InfoContext(ctx, "PostgreSQL is still starting", "log", s.dirs.log, "says", err)
			reported = time.Now()
		}
	}
}

// ensureDatabase creates the service's database if it isn't there.
func (s *Server) ensureDatabase(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, databaseURL(s.dirs, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()

	var exists bool
	const query = `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`
	if err := connection.QueryRow(ctx, query, DatabaseName).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = connection.Exec(ctx, "CREATE DATABASE "+DatabaseName)
	return err
}

// supervise starts the server again whenever it dies before Stop.
func (s *Server) supervise(ctx context.Context) {
	defer close(s.stopped)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-s.stopping:
			return
		case <-s.process.done:
		}
		s.config.Logger.WarnContext(ctx, "PostgreSQL ended unexpectedly; starting it again",
			"how", s.process.err, "log", s.dirs.log)
		if !s.relaunch(ctx) {
			return
		}
		s.config.Logger.InfoContext(ctx, "PostgreSQL is back", "pid", s.PID())
	}
}

// relaunch tries until the server runs, and returns false if it is to stop.
func (s *Server) relaunch(ctx context.Context) bool {
	const shortest, longest = 200 * time.Millisecond, 10 * time.Second
	for pause := shortest; ; pause = min(2*pause, longest) {
		if sleep(ctx, pause) != nil {
			return false
		}
		err := s.launch(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.config.Logger.ErrorContext(ctx, "PostgreSQL doesn't start; trying again", "error", err)
	}
}

func (s *Server) unlock() {
	if s.lock != nil {
		_ = s.lock.Close() // closing gives the lock free
	}
}

func databaseURL(dirs layout, database string) string {
	query := url.Values{
		"host": {dirs.run}, "port": {port}, "user": {UserName},
		// Said, so that the caller's PG… variables don't say otherwise.
		"sslmode": {"disable"}, "target_session_attrs": {"any"},
	}
	// Neither pgx nor libpq reads a + as a blank, which macOS has in its default.
	return "postgres:///" + database + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
