package main_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

// The primary is killed while clients post and a rebuild runs, and its standby is
// promoted. Nobody does anything about the services. Then the primary comes back, and
// takes writes as if nothing had happened.
func TestServicesGoOnWithThePromotedStandby(t *testing.T) {
	t.Parallel()
	p := newPair(t, synchronous)
	services := make([]*service, 2)
	bases := make([]func() string, len(services))
	for n := range services {
		services[n] = serve(t, "--database-url", p.url(), "--request-timeout=2s", "--rebuild-chunk-logs=10")
		bases[n] = func() string { return services[n].base }
	}
	guarded := serve(t, "--auth=keys", "--database-url", urlOf(p.standby, p.primary))
	key := newKey(t, p.url(), "--scopes=logs:read")
	read := func() int {
		return guarded.with(key, http.MethodGet, "/v1/users/"+uuid.NewString()+"/summary", "", "").status
	}
	require.Equal(t, http.StatusOK, read())
	l := newLoad(t, bases...)
	t.Cleanup(p.disconnect)
	l.start()
	l.waitForMore(10)
	rebuild := p.beginRebuild(services[0])

	pause := p.failOver(l)

	t.Logf("nothing was acknowledged for %.2f s", pause.Seconds())
	_, problems, status := run(t, "key", "revoke", "1", "--database-url", p.url())
	require.Zero(t, status, problems)
	assert.Eventually(t, func() bool { return read() == http.StatusUnauthorized }, 10*time.Second, often, "a revoked key is refused")
	require.Eventually(t, func() bool { return services[1].rebuild(rebuild).State == "completed" }, eventually, often, "the rebuild goes on")
	l.check(p.standby.URL()).assertNothingWrong(t)
	p.assertNobodyGoesBack(l)
	l.stop()
	found := l.check(p.standby.URL())
	found.assertNothingWrong(t)
	t.Log(found)
	l.assertSummaries(services[0], p.standby.URL())
}

// beginRebuild loads logs that aren't counted, and returns the id of a rebuild that has
// repaired some of their users.
func (p *pair) beginRebuild(s *service) int64 {
	p.t.Helper()
	const users = 30
	ids := make([]string, users)
	for i := range ids {
		ids[i] = hostileUser(i)
	}
	p.primary.execute(`
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), user_id, 1, '2026-01-14T08:30:00Z'
		FROM unnest('{` + strings.Join(ids, ",") + `}'::uuid[]) AS user_id, generate_series(1, 100)`)
	begun := s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds",
		`{"user_ids":["`+strings.Join(ids, `","`)+`"],"max_logs_per_second":1000}`)
	var requested struct{ ID int64 }
	begun.decode(p.t, &requested)
	require.Eventually(p.t, func() bool { return s.rebuild(requested.ID).Progress.RowsRepaired > 0 }, eventually, often, "it repairs")
	require.NotEqual(p.t, "completed", s.rebuild(requested.ID).State)
	return requested.ID
}

// assertNobodyGoesBack starts the old primary again, and checks that nothing is written to
// it, by services that know of the promotion or by one that starts only now.
func (p *pair) assertNobodyGoesBack(l *load) {
	p.t.Helper()
	p.primary.start(map[string]string{"synchronous_standby_names": ""})
	had := p.primary.ask(`SELECT count(*) FROM learning_log`)
	p.standby.proxy.disconnect() // so that new connections are made
	l.waitForMore(100)
	serve(p.t, "--database-url", p.url()).
		mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.MustParse(hostileUser(0)), 1))
	assert.Equal(p.t, had, p.primary.ask(`SELECT count(*) FROM learning_log`), "logs were written to the old primary")
}

// A commit that waits for the standby in vain is seen by everybody once its wait is broken
// off, which a request does that takes too long.
func TestALogThatTheSynchronousStandbyLacksIsntAcknowledged(t *testing.T) {
	t.Parallel()
	p := newPair(t, synchronous)
	s := serve(t, "--database-url", p.url(), "--request-timeout=1s")
	user := uuid.New()
	log, post := newLog(user, 2), func(log string) int { return s.mustAnswer(http.MethodPost, "/v1/learning-logs", log).status }
	require.Equal(t, http.StatusCreated, post(newLog(user, 1)))
	p.cutOff()

	require.Equal(t, http.StatusServiceUnavailable, post(log))

	require.Eventually(t, func() bool { return p.primary.ask(`SELECT count(*) FROM learning_log`) == 2 }, eventually, often, "it is seen")
	assert.Equal(t, http.StatusServiceUnavailable, post(log), "and would be lost")
	p.primary.kill()
	p.standby.promote()
	require.Eventually(t, func() bool { return post(log) == http.StatusCreated }, eventually, often, "it was lost, and is posted again")
	words, entries := s.total(user)
	assert.Equal(t, []int{3, 2}, []int{words, entries})
}

// What was acknowledged and is lost is lost as a whole, so nothing drifts.
func TestWhatAnAsynchronousStandbyLacksIsRecordedWhenItIsPostedAgain(t *testing.T) {
	t.Parallel()
	const before, after = 20, 15
	p := newPair(t, asynchronous)
	s := serve(t, "--database-url", p.url())
	user := uuid.New()
	logs := make([]string, before+after)
	for i := range logs {
		logs[i] = newLog(user, 1)
		if i == before {
			require.Eventually(t, func() bool { return p.standby.ask(`SELECT count(*) FROM learning_log`) == before }, eventually, often)
			p.cutOff()
		}
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logs[i])
	}

	p.primary.kill()
	p.standby.promote()

	out, problems, status := run(t, "verify", "--database-url", p.url())
	assert.Zero(t, status, "%s%s", out, problems)
	words, entries := s.total(user)
	assert.Equal(t, []int{before, before}, []int{words, entries})
	again := s.mustCall(http.StatusOK, http.MethodPost, batchPath, "["+strings.Join(logs, ",")+"]")
	var outcomes struct {
		Recorded        int
		AlreadyRecorded int `json:"already_recorded"`
	}
	again.decode(t, &outcomes)
	assert.Equal(t, []int{after, before}, []int{outcomes.Recorded, outcomes.AlreadyRecorded})
	words, entries = s.total(user)
	assert.Equal(t, []int{before + after, before + after}, []int{words, entries})
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, p.standby.URL())))
}

// pair is a PostgreSQL server and its standby, each behind a proxy, whose address stays.
type pair struct {
	t                testing.TB
	primary, standby *replicatedServer
}

// replicatedServer is a server that stays down after it was killed.
type replicatedServer struct {
	*embeddedpg.Server

	t     testing.TB
	dir   string
	proxy *proxy
	down  bool
}

// With a synchronous standby, a primary acknowledges only what the standby has.
const (
	synchronous  = "sync"
	asynchronous = "async"
)

// newPair starts a primary, and a standby that follows it.
func newPair(t testing.TB, how string) *pair {
	t.Helper()
	p := &pair{t: t, primary: newServer(t, dataDir(t), nil)}
	copyServer := filepath.Join(p.primary.BinDir(), "pg_basebackup")
	if _, err := os.Stat(copyServer); err != nil {
		skipUnlessRequired(t, "there is no pg_basebackup beside the postgres that was found, so no standby to fail over to: "+
			"install PostgreSQL, and run `go clean -testcache`")
	}
	dir := dataDir(t)
	data := filepath.Join(dir, "data")
	mustRun(t, copyServer, "--pgdata", data, "--write-recovery-conf", "--checkpoint", "fast", "--no-sync", "--dbname", p.primary.URL())
	mustRun(t, "chown", "-R", fmt.Sprint(p.primary.owner()), data)
	// Otherwise a promotion may wait until PostgreSQL has tried the primary again, after 5 s.
	p.standby = newServer(t, dir, map[string]string{"cluster_name": "standby", "wal_retrieve_retry_interval": "100ms"})
	if how == synchronous {
		p.primary.execute(`ALTER SYSTEM SET synchronous_standby_names = 'standby'`)
		p.primary.execute(`SELECT pg_reload_conf()`)
	}
	require.Eventually(t, func() bool {
		return p.primary.ask(`SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = '`+how+`'`) == 1
	}, eventually, often, "no standby follows")
	return p
}

// url is the address of both.
func (p *pair) url() string { return urlOf(p.primary, p.standby) + "&target_session_attrs=read-write" }

func urlOf(servers ...*replicatedServer) string {
	hosts := make([]string, len(servers))
	for i, s := range servers {
		hosts[i] = s.proxy.listener.Addr().String()
	}
	all := url.URL{
		Scheme: "postgres", User: servers[0].proxy.user, Host: strings.Join(hosts, ","), Path: servers[0].proxy.database,
		RawQuery: "sslmode=disable",
	}
	return all.String()
}

func (p *pair) disconnect() {
	p.primary.proxy.disconnect()
	p.standby.proxy.disconnect()
}

// cutOff makes the standby follow the primary no longer.
func (p *pair) cutOff() {
	p.t.Helper()
	p.standby.execute(`ALTER SYSTEM SET primary_conninfo = ''`)
	p.standby.execute(`SELECT pg_reload_conf()`)
	require.Eventually(p.t, func() bool {
		return p.primary.ask(`SELECT count(*) FROM pg_stat_replication`) == 0
	}, eventually, often, "the standby follows")
}

// failOver kills the primary and promotes the standby. It returns for how long nothing was
// acknowledged.
func (p *pair) failOver(l *load) time.Duration {
	p.t.Helper()
	longest, recovered := make(chan time.Duration, 1), make(chan struct{})
	go func() { longest <- l.longestPause(recovered) }()
	p.primary.kill()
	p.standby.promote()
	l.waitForMore(100)
	close(recovered)
	return <-longest
}

// longestPause returns the longest time in which no service acknowledged a post, until the
// channel is closed.
func (l *load) longestPause(until <-chan struct{}) (longest time.Duration) {
	const look = 5 * time.Millisecond
	last, moved := int64(0), time.Now()
	for {
		sum := int64(0)
		for i := range l.acknowledged {
			sum += l.acknowledged[i].Load()
		}
		if sum != last {
			longest = max(longest, time.Since(moved))
			last, moved = sum, time.Now()
		}
		select {
		case <-until:
			return longest
		case <-time.After(look):
		}
	}
}

// newServer starts a server in a data directory. It is stopped when the test ends.
func newServer(t testing.TB, dir string, settings map[string]string) *replicatedServer {
	t.Helper()
	s := &replicatedServer{t: t, dir: dir}
	s.start(settings)
	s.proxy = newProxy(t, s.URL())
	t.Cleanup(func() {
		if !s.down {
			require.NoError(t, s.Stop())
		}
	})
	return s
}

// start starts the server. Only processes are killed, never the machine, so nothing needs
// to be on the disk.
func (s *replicatedServer) start(settings map[string]string) {
	s.t.Helper()
	all := map[string]string{"fsync": "off"}
	maps.Copy(all, settings)
	var err error
	s.Server, err = embeddedpg.Start(context.Background(), embeddedpg.Config{
		DataDir: s.dir, Settings: all, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(s.t, err)
	s.down = false
}

// kill kills the server, and keeps it from being started again.
func (s *replicatedServer) kill() {
	s.t.Helper()
	require.NoError(s.t, syscall.Kill(s.PID(), syscall.SIGKILL))
	require.NoError(s.t, s.Stop())
	s.down = true
}

func (s *replicatedServer) promote() { s.execute(`SELECT pg_promote()`) }

func (s *replicatedServer) execute(statement string) {
	s.t.Helper()
	ctx := context.Background()
	connection := s.connect(ctx)
	defer func() { _ = connection.Close(ctx) }()
	_, err := connection.Exec(ctx, statement)
	require.NoError(s.t, err)
}

// ask returns the number that a query returns.
func (s *replicatedServer) ask(query string) (number int) {
	s.t.Helper()
	ctx := context.Background()
	connection := s.connect(ctx)
	defer func() { _ = connection.Close(ctx) }()
	require.NoError(s.t, connection.QueryRow(ctx, query).Scan(&number))
	return number
}

func (s *replicatedServer) connect(ctx context.Context) *pgx.Conn {
	s.t.Helper()
	connection, err := pgx.Connect(ctx, s.URL())
	require.NoError(s.t, err)
	return connection
}

// owner returns the id of the user who runs the server.
func (s *replicatedServer) owner() uint32 {
	s.t.Helper()
	info, err := os.Stat(filepath.Join(s.dir, "data"))
	require.NoError(s.t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	require.True(s.t, ok)
	return stat.Uid
}

func mustRun(t testing.TB, name string, arguments ...string) {
	t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	require.NoError(t, err, "%s", output)
}
