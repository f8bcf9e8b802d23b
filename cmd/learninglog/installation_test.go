package main_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

// installation is a set of services that share a PostgreSQL server, which syncs to
// disk like a real one. They connect through a proxy. Clients post logs to them.
type installation struct {
	t        testing.TB
	server   *embeddedpg.Server
	proxy    *proxy
	services []atomic.Pointer[service]
	load     *load
	disk     *disk // the disk of the logs; nil if they are on the same disk as all other data
}

func install(t testing.TB, services int) *installation {
	t.Helper()
	i := &installation{t: t, services: make([]atomic.Pointer[service], services)}
	var err error
	i.server, err = embeddedpg.Start(t.Context(), embeddedpg.Config{DataDir: dataDir(t), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, i.server.Stop()) })
	i.proxy = newProxy(t, i.server.URL())
	bases := make([]func() string, services)
	for n := range i.services {
		i.serve(n)
		bases[n] = func() string { return i.services[n].Load().base }
	}
	i.load = newLoad(t, bases...)
	t.Cleanup(i.proxy.disconnect) // otherwise stopping waits for silent connections
	return i
}

// serve starts a service on its own address. It runs routines all the time.
func (i *installation) serve(n int) {
	i.services[n].Store(serve(i.t,
		"--database-url", i.proxy.url(), "--request-timeout=2s", "--log-level=warn", "--verify-every=1s"))
}

// assertVerified waits for a routine that begins after this call, and checks that it
// has found no drift.
func (i *installation) assertVerified() {
	i.t.Helper()
	now := time.Now()
	found := i.services[0].Load().awaitVerification("a routine begins and ends", func(v verification) bool {
		return v.Verification == "routine" && v.Began.After(now)
	})
	assert.Positive(i.t, found.Logs)
	assert.Zero(i.t, found.Drifted)
}

// execute executes a statement without going through the proxy.
func (i *installation) execute(statement string) { require.NoError(i.t, i.tryToExecute(statement)) }

func (i *installation) tryToExecute(statement string) error {
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, i.server.URL())
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(ctx) }()
	_, err = connection.Exec(ctx, statement)
	return err
}

// fault is a temporary fault that occurs while clients post.
type fault struct {
	name   string
	strike func(*installation)
}

func faults() []fault {
	return []fault{
		{"connections break at every stage", (*installation).breakConnections},
		{"sessions are terminated", (*installation).terminateSessions},
		{"PostgreSQL is shut down immediately", (*installation).shutPostgreSQLDown},
		{"a process of PostgreSQL is killed", (*installation).killBackend},
		{"a service is killed", (*installation).killService},
		{"a service is replaced", (*installation).replaceService},
		{"everything is rebuilt", (*installation).rebuild},
	}
}

// suffer causes a fault while clients post, and waits until every service
// acknowledges logs again.
func (i *installation) suffer(f fault, between int64) {
	i.t.Helper()
	i.load.waitForMore(between)
	f.strike(i)
	i.load.waitForMore(between)
}

func (i *installation) breakConnections() {
	all := breakages()
	rand.Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
	for _, b := range all {
		i.proxy.breakNext(b)
		require.Eventually(i.t, i.proxy.broken, eventually, often, "no connection broke %s", b.name)
	}
}

func (i *installation) terminateSessions() {
	for range 5 {
		i.execute(`
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
		i.load.waitForMore(1)
	}
}

func (i *installation) shutPostgreSQLDown() { i.restart(syscall.SIGQUIT) }

// restart ends the server by a signal. The service that runs it starts it again, when it
// has replayed what was written since the last checkpoint: much, after an attack.
func (i *installation) restart(with syscall.Signal) {
	const atMost = 5 * eventually
	ended := i.server.PID()
	require.NoError(i.t, syscall.Kill(ended, with))
	require.Eventually(i.t, func() bool { return i.server.PID() != ended }, atMost, often, "PostgreSQL isn't started again")
}

// killBackend kills the process of one session. Then the server ends all other
// sessions and recovers.
func (i *installation) killBackend() {
	ctx := context.Background()
	connection, err := pgx.Connect(ctx, i.server.URL())
	require.NoError(i.t, err)
	defer func() { _ = connection.Close(ctx) }()
	var pid int
	require.Eventually(i.t, func() bool {
		return connection.QueryRow(ctx, `
			SELECT pid FROM pg_stat_activity
			WHERE pid <> pg_backend_pid() AND query LIKE '%INSERT INTO learning_log %' LIMIT 1`).Scan(&pid) == nil
	}, eventually, often, "nothing is written")
	require.NoError(i.t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(i.t, func() bool {
		_, err := connection.Exec(ctx, `SELECT`)
		return err != nil
	}, eventually, often, "PostgreSQL doesn't mind")
}

func (i *installation) killService() {
	n := rand.IntN(len(i.services))
	i.services[n].Load().kill()
	i.serve(n)
}

func (i *installation) replaceService() {
	n := rand.IntN(len(i.services))
	i.services[n].Load().stop()
	i.serve(n)
}

func (i *installation) rebuild() {
	n := rand.IntN(len(i.services))
	require.Eventually(i.t, func() bool {
		got, err := i.services[n].Load().call(http.MethodPost, "/v1/rebuilds", "")
		return err == nil && got.status == http.StatusAccepted
	}, eventually, often, "no rebuild is accepted")
}
