// Package embeddedpg runs a private PostgreSQL server in a data directory, for users
// who have no server of their own.
//
// It finds the binaries or downloads them, creates the cluster, starts the server,
// and restarts it when it dies. The server listens on a Unix socket that only its
// own user and root can reach. It ends with this process, however that ends. The
// data survives restarts.
//
// In the data directory, data/ is the PostgreSQL cluster, run/ has the socket and
// the server's log, and lock is held by the process that runs the server.
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

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DatabaseName is the name of the service's own database.
const DatabaseName = "learninglog"

// UserName is the name of the database's owner.
const UserName = "learninglog"

// port is a part of the socket's name; the server doesn't listen on TCP.
const port = "5432"

// Config configures the server.
type Config struct {
	// DataDir is the data directory. It is created if it doesn't exist.
	DataDir string
	// BinDirs are the directories in which to look for PostgreSQL's programs.
	// Default: the usual places, and then the download cache.
	BinDirs []string
	// Settings are additional settings of the server, as with postgres -c
	// name=value.
	Settings map[string]string
	// Logger logs what takes long and what goes wrong.
	Logger *slog.Logger
}

// Server is a running server. Until Stop, it is restarted when it dies.
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

// Exists reports whether dataDir has a database.
func Exists(dataDir string) bool {
	major, err := layoutOf(dataDir).clusterMajor()
	return err != nil || major != 0
}

// Start starts the server in config.DataDir, and returns when its database is ready.
// It fails with [ErrInUse] if another process runs a server in this directory, and
// doesn't touch that server. It also fails if the binaries can't read the cluster.
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

// URL returns the address of the server's database. It stays the same after
// restarts.
func (s *Server) URL() string { return databaseURL(s.dirs, DatabaseName) }

// Version returns the major version of PostgreSQL.
func (s *Server) Version() int { return s.bin.major }

// BinDir returns the directory of PostgreSQL's programs.
func (s *Server) BinDir() string { return s.bin.dir }

// DataDir returns the absolute path of the data directory.
func (s *Server) DataDir() string { return s.dirs.root }

// LogFile returns the path of the server's log.
func (s *Server) LogFile() string { return s.dirs.log }

// PID returns the current process id of the server.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.pid()
}

// Stop shuts the server down, writes everything to disk and releases the data
// directory. Open connections are closed.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() { close(s.stopping) })
	<-s.stopped
	defer s.unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop()
}

// prepare does everything before the first start: directories, lock, binaries,
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

// launchPatiently launches the server, and retries for a while. The child processes
// of a server that was killed may need a moment to notice that, and hold its shared
// memory until then.
func (s *Server) launchPatiently(ctx context.Context) error {
	const (
		timeout = 15 * time.Second
		pause   = 300 * time.Millisecond
	)
	wasKilled := s.dirs.hasPIDFile()
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := s.launch(ctx)
		if err != nil && (!wasKilled || !errors.Is(err, errExited)) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewConstantBackOff(pause)), backoff.WithMaxElapsedTime(timeout))
	return err
}

// launch starts the server's process and waits until its database is ready.
func (s *Server) launch(ctx context.Context) error {
	if err := s.dirs.createRun(ctx, s.owner); err != nil { // the directory may have been deleted
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
		"shared_buffers":          sharedBuffers(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)),
		// Checkpoints are rare, because after each of them every page is written whole to the WAL
		// when it is first changed. After a crash, so much is replayed at most.
		"max_wal_size":       "4GB",
		"checkpoint_timeout": "15min",
	}
	maps.Copy(settings, s.config.Settings)
	arguments := make([]string, 0, 2*len(settings))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		arguments = append(arguments, "-c", name+"="+settings[name])
	}
	return arguments
}

// sharedBuffers returns how much memory PostgreSQL takes for pages, once it needs it: an eighth
// of what there is, because this server isn't alone on its machine, within bounds. The least is
// PostgreSQL's default.
func sharedBuffers(memory memlimit.Provider) string {
	const least, most, share = 128 << 20, 8 << 30, 8
	bytes, err := memory()
	if err != nil { // then it is unknown
		bytes = 0
	}
	return fmt.Sprintf("%dMB", max(least, min(bytes/share, most))>>20)
}

// waitUntilReady returns when the service's database is ready. It has no timeout,
// because recovery after a crash may take any time. It fails when the process ends.
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

// ensureDatabase creates the service's database if it doesn't exist.
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

func (s *Server) unlock() {
	if s.lock != nil {
		_ = s.lock.Close() // closing releases the lock
	}
}

func databaseURL(dirs layout, database string) string {
	query := url.Values{
		"host": {dirs.run}, "port": {port}, "user": {UserName},
		// These are set explicitly, so that PG… environment variables don't override
		// them.
		"sslmode": {"disable"}, "target_session_attrs": {"any"},
	}
	// pgx and libpq don't decode + as a space. The default path on macOS has a
	// space.
	return "postgres:///" + database + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
}
