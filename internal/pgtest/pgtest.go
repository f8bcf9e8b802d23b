// Package pgtest gives every test a PostgreSQL database of its own.
//
// A test binary uses one server, which is found or started when the first test needs
// it: TEST_CITUS_URL (a cluster, over which each database is distributed) or
// TEST_DATABASE_URL if that is set, else a container if a Docker engine answers,
// else the embedded server. Databases are copied from a migrated template, which
// takes some ten milliseconds, so every test can run in parallel.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"learninglog/internal/postgres"
)

// server is shared by all tests of this test binary.
var server shared //nolint:gochecknoglobals // testing has no other place to keep it between TestMain and the tests

type shared struct {
	once sync.Once
	err  error
	// url is the address of a database from which others are created.
	url string
	// nodes are the same at all nodes of a cluster, or only url.
	nodes    []string
	template string
	stop     func() error
}

// Main runs the tests of a package, stops their server and exits. A TestMain needs
// nothing else.
func Main(m *testing.M) {
	os.Exit(Run(m))
}

// Run is like Main, but returns the exit status, for a TestMain that does more.
func Run(m *testing.M) int {
	code := m.Run()
	if err := server.close(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test server:", err)
		code = max(code, 1)
	}
	return code
}

// URL returns the address of a new, migrated database. It is dropped when the test
// ends.
func URL(t testing.TB) string {
	t.Helper()
	server.once.Do(server.open)
	require.NoError(t, server.err, "starting PostgreSQL for the tests")
	strategy := "file_copy"
	if Distributed() {
		strategy = "wal_log" // without the checkpoints, for which all tests at all nodes would wait
	}
	return server.create(t, fmt.Sprintf("TEMPLATE %s STRATEGY %s", server.template, strategy))
}

// EmptyURL returns the address of a new database without tables.
func EmptyURL(t testing.TB) string {
	t.Helper()
	server.once.Do(server.open)
	require.NoError(t, server.err, "starting PostgreSQL for the tests")
	return server.create(t, "")
}

// Pool returns a pool of connections to a new, migrated database.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return Open(t, URL(t))
}

// Open returns a pool of connections that is closed when the test ends.
func Open(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(context.Background(), url, 0, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// ExamplePool is like Pool, for an Example function, which has no testing.TB. It
// panics if it fails.
func ExamplePool() (pool *pgxpool.Pool, closePool func()) {
	example := new(exampleTB)
	pool = Pool(example)
	return pool, example.end
}

// exampleTB is the testing.TB of an Example function.
type exampleTB struct {
	testing.TB // nil: only the methods below are called

	cleanups []func()
}

func (*exampleTB) Helper()                        {}
func (*exampleTB) Errorf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }
func (*exampleTB) FailNow()                       { panic("failed") }
func (e *exampleTB) Cleanup(cleanup func())       { e.cleanups = append(e.cleanups, cleanup) }

func (e *exampleTB) end() {
	for _, v := range slices.Backward(e.cleanups) {
		v()
	}
}

func (s *shared) open() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if s.url, s.stop, s.err = startServer(ctx); s.err != nil {
		return
	}
	if s.nodes = []string{s.url}; Distributed() {
		if s.nodes, s.err = readNodes(ctx, s.url); s.err != nil {
			return
		}
	}
	s.err = s.createTemplate(ctx)
}

func (s *shared) createTemplate(ctx context.Context) error {
	s.template = uniqueName("template")
	if err := s.execute(ctx, "CREATE DATABASE "+s.template); err != nil {
		return err
	}
	if Distributed() {
		if err := s.joinNodes(ctx, s.template); err != nil {
			return err
		}
	}
	pool, err := postgres.Open(ctx, withDatabase(s.url, s.template), 0, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := postgres.NewMigrator(pool, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := migrator.Up(ctx); err != nil || !Distributed() {
		return err
	}
	pool.Close()
	return s.distributeTemplate(ctx)
}

func (s *shared) create(t testing.TB, options string) string {
	t.Helper()
	ctx := context.Background()
	name := uniqueName("test")
	require.NoError(t, s.execute(ctx, "CREATE DATABASE "+name+" "+options))
	t.Cleanup(func() {
		require.NoError(t, s.drop(ctx, name))
	})
	return withDatabase(s.url, name)
}

// drop drops a database, however many are connected to it.
func (s *shared) drop(ctx context.Context, name string) error {
	if Distributed() {
		if err := s.execute(ctx, closeSQL(name)...); err != nil {
			return err
		}
	}
	return s.execute(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
}

// execute executes statements at all nodes.
func (s *shared) execute(ctx context.Context, statements ...string) error {
	for _, node := range s.nodes {
		if err := executeAt(ctx, node, statements...); err != nil {
			return err
		}
	}
	return nil
}

func executeAt(ctx context.Context, node string, statements ...string) error {
	connection, err := pgx.Connect(ctx, node)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	for _, statement := range statements {
		if _, err := connection.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (s *shared) close() error {
	if s.stop == nil {
		return nil
	}
	var err error
	if s.template != "" {
		err = s.drop(context.Background(), s.template)
	}
	return errors.Join(err, s.stop())
}

func uniqueName(kind string) string {
	return "learninglog_" + kind + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")
}

// withDatabase returns the address of another database of the same server.
func withDatabase(address, name string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		panic(fmt.Sprintf("pgtest: %v", err)) // pgx has parsed the address before
	}
	parsed.Path = "/" + name
	return parsed.String()
}
