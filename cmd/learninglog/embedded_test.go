package main_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
)

// The first minute of a new user: without a database and without configuration, the
// commands that the service prints work as pasted.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	needCurl(t)
	dir := filepath.Join(dataDir(t), "new")
	s := serve(t, "--data-dir", dir)
	assert.Contains(t, s.greeted, dir, "it says where the data lives")
	assert.Contains(t, s.greeted, s.base+"/docs")

	lines := regexp.MustCompile(`(?m)^ +(curl .*)$`).FindAllStringSubmatch(s.greeted, -1)
	require.Len(t, lines, 2)
	posted, err := exec.Command("sh", "-c", lines[0][1]).Output()
	require.NoError(t, err)
	assert.Contains(t, string(posted), "201 Created")
	read, err := exec.Command("sh", "-c", lines[1][1]).Output()
	require.NoError(t, err)
	assert.Contains(t, string(read), `"total_word_count":12`)
}

// However the service ends, everything that it acknowledged is there after a
// restart.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir, user := dataDir(t), uuid.New()
	posted := 0
	for _, end := range []func(*service){(*service).stop, (*service).kill, (*service).kill, (*service).stop} {
		s := serve(t, "--data-dir", dir)
		words, entries := s.total(user)
		require.Equal(t, []int{posted, posted}, []int{words, entries})
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
		posted++
		end(s)
	}
	s := serve(t, "--data-dir", dir)
	words, _ := s.total(user)
	assert.Equal(t, posted, words)
}

// The service outlives its database: it answers 503 while the database is down, and
// continues afterwards.
func TestDatabaseIsKilled(t *testing.T) {
	t.Parallel()
	dir, user := dataDir(t), uuid.New()
	s := serve(t, "--data-dir", dir)
	var stop atomic.Bool
	acknowledged, unavailable := 0, 0
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for !stop.Load() {
			got, err := s.call(http.MethodPost, "/v1/learning-logs", newLog(user, 1))
			if !assert.NoError(t, err) {
				return
			}
			switch got.status {
			case http.StatusCreated:
				acknowledged++
			case http.StatusServiceUnavailable:
				unavailable++
				assert.NotEmpty(t, got.header.Get("Retry-After"))
			default:
				assert.Fail(t, "unexpected answer", "%d: %s", got.status, got.body)
			}
		}
	}()

	for range 2 {
		killDatabase(t, dir)
		require.Eventually(t, func() bool {
			got, err := s.call(http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 1))
			return err == nil && got.status == http.StatusCreated
		}, eventually, often, "the service recovers by itself")
	}
	stop.Store(true)
	<-finished

	words, entries := s.total(user)
	assert.GreaterOrEqual(t, words, acknowledged, "every acknowledged log is there")
	assert.LessOrEqual(t, words, acknowledged+unavailable, "an unavailable one may be")
	assert.Equal(t, words, entries)
	assert.Positive(t, unavailable, "the outage was noticed")
	out, problems, status := run(t, "verify", "--data-dir", dir)
	assert.Zero(t, status, "%s%s", out, problems)
}

// killDatabase kills the server of a data directory, and waits until the service has
// started another. A session of the killed server may still commit and answer. The
// new server accepts connections only when no such session is left.
func killDatabase(t testing.TB, dir string) {
	t.Helper()
	killProcess(t, postmaster(t, dir))
	require.Eventually(t, func() bool {
		connection, err := pgx.Connect(t.Context(), embeddedpg.URL(dir))
		return err == nil && connection.Close(t.Context()) == nil
	}, eventually, often, "the database is started again")
}

// postmaster returns the PostgreSQL process of a data directory.
func postmaster(t testing.TB, dir string) (pid int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	require.NoError(t, err)
	pid, err = strconv.Atoi(strings.SplitN(string(text), "\n", 2)[0])
	require.NoError(t, err)
	return pid
}

func killProcess(t testing.TB, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, eventually, often)
}

// A failed start reports the reason in one sentence, and what to do about it.
func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	taken := dataDir(t)
	running := serve(t, "--data-dir", taken)
	occupied := strings.TrimPrefix(running.base, "http://")
	file := filepath.Join(dataDir(t), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	otherMajor := dataDir(t)
	require.NoError(t, os.Mkdir(filepath.Join(otherMajor, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(otherMajor, "data", "PG_VERSION"), []byte("9\n"), 0o600))

	for _, test := range []struct {
		name      string
		arguments []string
		says      []string
	}{
		{"an occupied address", []string{"--addr", occupied, "--data-dir", dataDir(t)}, []string{occupied, "in use", "--addr"}},
		{"an odd address", []string{"--addr", "nowhere"}, []string{"nowhere", "--addr"}},
		{"a data directory in use", []string{"--addr", "127.0.0.1:0", "--data-dir", taken}, []string{"in use by another learninglog", "--data-dir"}},
		{"a data directory that is a file", []string{"--addr", "127.0.0.1:0", "--data-dir", file}, []string{file, "--data-dir"}},
		{"another PostgreSQL", []string{"--addr", "127.0.0.1:0", "--data-dir", otherMajor}, []string{"PostgreSQL 9", "nothing was changed"}},
		{"an odd database URL", []string{"--addr", "127.0.0.1:0", "--database-url", "postgres://a b"}, []string{"postgres://user:password@host"}},
		{"an unknown flag", []string{"--port", "80"}, []string{"--port", "--help"}},
		{"an odd limit", []string{"--max-word-count", "0"}, []string{"--max-word-count"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, stderr, status := run(t, append([]string{"serve"}, test.arguments...)...)
			assert.Equal(t, 2, status)
			for _, text := range test.says {
				assert.Contains(t, stderr, text)
			}
			assert.NotContains(t, stderr, "goroutine")
			assert.NotContains(t, stderr, "msg=stopped", "it had never begun")
		})
	}
}

// rebuildOf records a log for each of that many users, requests a rebuild of all of
// them, and returns the path for watching it.
func rebuildOf(s *service, users int) (path string) {
	s.t.Helper()
	batch := make([]string, users)
	for i := range batch {
		batch[i] = newLog(uuid.New(), 1)
	}
	s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs/batch", "["+strings.Join(batch, ",")+"]")
	return s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "").header.Get("Location")
}

// A rebuild that a crash interrupts continues by itself within seconds after a
// restart, where it stopped.
func TestRebuildSurvivesACrash(t *testing.T) {
	t.Parallel()
	const users = 3000
	dir := dataDir(t)
	s := serve(t, "--data-dir", dir, "--rebuild-chunk-logs=1")
	path := rebuildOf(s, users)
	type rebuild struct {
		State    string
		Progress struct {
			Users    int `json:"users_done"`
			Repaired int `json:"rows_repaired"`
		}
	}
	watch := func(s *service) (got rebuild) {
		s.mustCall(http.StatusOK, http.MethodGet, path, "").decode(t, &got)
		return got
	}
	require.Eventually(t, func() bool { return watch(s).Progress.Users > 10 }, eventually, often)
	seen := watch(s).Progress.Users
	s.kill()

	s = serve(t, "--data-dir", dir)
	before := watch(s)
	require.NotEqual(t, "completed", before.State, "the crash came before the end")
	require.GreaterOrEqual(t, before.Progress.Users, seen)
	// Even the first chunk isn't repeated. This drift, of the first user, is in it,
	// so the rebuild has already passed it.
	execute(t, embeddedpg.URL(dir), `
		UPDATE learning_log_aggregates SET total_word_count = 99
		WHERE user_id = (SELECT user_id FROM learning_log ORDER BY user_id LIMIT 1)`)
	await(t, "it ends", func() (int, bool) {
		now := watch(s)
		assert.GreaterOrEqual(t, now.Progress.Users, seen, "it goes on where it was")
		return now.Progress.Users, now.State == "completed"
	})
	assert.Zero(t, watch(s).Progress.Repaired)
	assert.Equal(t, users, watch(s).Progress.Users, "every user once, from where it was")
}

// After an outage, River writes the result of a failed attempt late. Attempts at a
// rebuild must not disturb each other.
func TestRebuildSurvivesOutages(t *testing.T) {
	t.Parallel()
	const users, outages = 1500, 3
	dir := dataDir(t)
	s := serve(t, "--data-dir", dir, "--rebuild-chunk-logs=1")
	path := rebuildOf(s, users)
	done, state := 0, ""
	watch := func() bool {
		got, err := s.call(http.MethodGet, path, "")
		if err != nil || got.status != http.StatusOK {
			return false // the database is down
		}
		var now struct {
			State    string
			Progress struct {
				Users int `json:"users_done"`
			}
		}
		got.decode(t, &now)
		assert.GreaterOrEqual(t, now.Progress.Users, done, "the progress goes forward only")
		done, state = now.Progress.Users, now.State
		return true
	}

	for range outages {
		before := done
		await(t, "it goes on", func() (int, bool) {
			answered := watch()
			return done, answered && (done > before+100 || state == "completed")
		})
		require.NotEqual(t, "completed", state, "the outages came before the end")
		killDatabase(t, dir)
	}

	await(t, "it ends", func() (int, bool) {
		answered := watch()
		return done, answered && state == "completed"
	})
	assert.Equal(t, users, done, "every user once")
	require.Never(t, func() bool { return watch() && (done != users || state != "completed") }, 3*time.Second, 100*time.Millisecond,
		"what has ended stays ended")
}

func TestReplicasStartTogether(t *testing.T) {
	t.Parallel()
	databaseURL := emptyDatabase(t)
	replicas := make([]*service, 3)
	errs := make([]error, len(replicas))
	done := make(chan int)
	for i := range replicas {
		go func() {
			replicas[i], errs[i] = tryServe(t, "--database-url", databaseURL)
			done <- i
		}()
	}
	for range replicas {
		i := <-done
		require.NoError(t, errs[i])
	}
	user := uuid.New()
	for i, replica := range replicas {
		replica.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
		words, _ := replicas[(i+1)%len(replicas)].total(user)
		assert.Equal(t, i+1, words, "a log is in every replica's next summary")
	}
}
