package main_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

func emptyDatabase(t testing.TB) string {
	t.Helper()
	return pgtest.EmptyURL(t)
}

func execute(t testing.TB, databaseURL, statement string) {
	t.Helper()
	_, err := pgtest.Open(t, databaseURL).Exec(context.Background(), statement)
	require.NoError(t, err)
}

const zeroTotals = `UPDATE learning_log_aggregates SET total_word_count = 0`

// What an operator does: verify finds no drift; something else causes drift; verify
// lists it; a rebuild repairs it while writers write.
func TestVerifyAndRebuild(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		database func(*testing.T) (flag, value, url string)
	}{
		{"a database by its URL", func(t *testing.T) (string, string, string) {
			t.Helper()
			url := pgtest.URL(t)
			return "--database-url", url, url
		}},
		{"a running service's embedded one", func(t *testing.T) (string, string, string) {
			t.Helper()
			dir := dataDir(t)
			return "--data-dir", dir, embeddedpg.URL(dir)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			flag, value, url := test.database(t)
			s := serve(t, flag, value)
			user := uuid.New()
			s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))

			stdout, stderr, status := run(t, "verify", flag, value)
			assert.Zero(t, status, stderr)
			assert.Contains(t, stdout, "No drift")

			execute(t, url, zeroTotals)
			stdout, _, status = run(t, "verify", flag, value)
			assert.Equal(t, 1, status)
			assert.Contains(t, stdout, "3 rows")
			for _, granularity := range []string{"day", "week", "month"} {
				assert.Regexp(t, user.String()+" +"+granularity+` +\d{4}-\d{2}-\d{2} +0 +12 `, stdout)
			}

			var stop atomic.Bool
			var writer sync.WaitGroup
			written := 12
			writer.Go(func() {
				for !stop.Load() {
					s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
					written++
				}
			})
			stdout, stderr, status = run(t, "rebuild", "--wait", flag, value)
			stop.Store(true)
			writer.Wait()
			assert.Zero(t, status, stderr)
			assert.Contains(t, stdout, "repaired")

			stdout, _, status = run(t, "verify", flag, value)
			assert.Zero(t, status)
			assert.Contains(t, stdout, "No drift")
			words, _ := s.total(user)
			assert.Equal(t, written, words)
		})
	}
}

// Without a service, the command does the work itself.
func TestVerifyAndRebuildAlone(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	user := uuid.New()
	s := serve(t, "--data-dir", dir)
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	execute(t, embeddedpg.URL(dir), zeroTotals)
	s.stop()

	for _, step := range []struct {
		status    int
		arguments []string
		says      string
	}{
		{1, []string{"verify"}, user.String()},
		{0, []string{"verify", "--user", uuid.NewString()}, "No drift"},
		{0, []string{"verify", "--to", "2020-01-01"}, "No drift"},
		{0, []string{"rebuild", "--dry-run", "--wait"}, "To repair it"},
		{0, []string{"rebuild", "--wait"}, "has been repaired"},
		{0, []string{"verify"}, "No drift"},
	} {
		stdout, stderr, status := run(t, append(step.arguments, "--data-dir", dir)...)
		assert.Equal(t, step.status, status, "%v: %s%s", step.arguments, stdout, stderr)
		assert.Contains(t, stdout, step.says, "%v", step.arguments)
	}
}

func TestRebuildAloneOnADatabaseByItsURL(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	execute(t, databaseURL, `INSERT INTO learning_log_aggregates VALUES (gen_random_uuid(), 'day', '2026-11-22', 1, 1)`)

	stdout, _, status := run(t, "verify", "--database-url", databaseURL)
	assert.Equal(t, 1, status, stdout)
	stdout, stderr, status := run(t, "rebuild", "--wait", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "Drift in 1 row of the rollups, which has been repaired")
}

func TestRebuildWithoutWaitingIsQueued(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)

	stdout, stderr, status := run(t, "rebuild", "--database-url", databaseURL)

	assert.Zero(t, status, stderr)
	match := regexp.MustCompile(`rebuild (\d+) is queued`).FindStringSubmatch(stdout)
	require.NotNil(t, match, stdout)
	again, _, _ := run(t, "rebuild", "--workers", "4", "--database-url", databaseURL)
	assert.Contains(t, again, "rebuild "+match[1]+" of the same scope is queued already, and its workers and pace hold")
	id, err := strconv.Atoi(match[1])
	require.NoError(t, err)
	s := serve(t, "--database-url", databaseURL)
	require.Eventually(t, func() bool {
		var rebuild struct{ State string }
		s.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds/"+strconv.Itoa(id), "").decode(t, &rebuild)
		return rebuild.State == "completed"
	}, eventually, often, "a service works it")
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	databaseURL := emptyDatabase(t)
	migrate := func(wantStatus int, arguments ...string) (stdout, stderr string) {
		t.Helper()
		stdout, stderr, status := run(t, append(append([]string{"migrate"}, arguments...), "--database-url", databaseURL)...)
		require.Equal(t, wantStatus, status, "%s%s", stdout, stderr)
		return stdout, stderr
	}

	_, stderr := migrate(2, "status")
	assert.Contains(t, stderr, "learninglog migrate")
	_, stderr, status := run(t, "verify", "--database-url", databaseURL)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "learninglog migrate")

	stdout, _ := migrate(0)
	assert.Regexp(t, `tables +version 9 of 9`, stdout)
	again, _ := migrate(0, "up")
	assert.Equal(t, stdout, again, "a second time changes nothing")
	status1, _ := migrate(0, "status")
	assert.Equal(t, stdout, status1)

	execute(t, databaseURL, `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset)
		VALUES (gen_random_uuid(), gen_random_uuid(), 1, now(), 540)`)
	_, stderr = migrate(2, "down")
	assert.Contains(t, stderr, "--yes")
	stdout, _ = migrate(0, "down", "--yes")
	assert.Regexp(t, `tables +version 0 of 9`, stdout)
	assert.Regexp(t, `job queue +version 0 of `, stdout)
	migrate(0, "down")
	migrate(0, "up")
	migrate(0, "down") // an empty database needs no --yes
}

// Timeouts that are meant for requests interrupt neither a migration nor the wait
// for one.
func TestMigrateTakesItsTime(t *testing.T) {
	t.Parallel()
	databaseURL := emptyDatabase(t)
	ctx := context.Background()
	holder, err := pgtest.Open(t, databaseURL).Acquire(ctx)
	require.NoError(t, err)
	const migrateLock = int64(0x6c6c_6d69_6772_6174)
	_, err = holder.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrateLock)
	require.NoError(t, err)
	released := make(chan error, 1)
	time.AfterFunc(time.Second, func() {
		_, err := holder.Exec(ctx, `SELECT pg_advisory_unlock($1)`, migrateLock)
		holder.Release()
		released <- err
	})

	separator := "?"
	if strings.Contains(databaseURL, "?") {
		separator = "&"
	}
	_, stderr, status := run(t, "migrate", "--database-url", databaseURL+separator+"statement_timeout=200&lock_timeout=100")

	assert.Zero(t, status, stderr)
	require.NoError(t, <-released)
}

// skipIfDistributed skips a test of old versions, which knew no clusters.
func skipIfDistributed(t *testing.T) {
	t.Helper()
	if pgtest.Distributed() {
		t.Skip("the tables of the tests are distributed")
	}
}

// An older program, for instance the one before an upgrade that was taken back, finds
// everything as it was.
func TestMigrateDownToAnOlderVersion(t *testing.T) {
	t.Parallel()
	skipIfDistributed(t)
	databaseURL, user := pgtest.URL(t), uuid.New()
	s := serve(t, "--database-url", databaseURL)
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	s.stop()
	_, stderr, status := run(t, "rebuild", "--database-url", databaseURL)
	require.Zero(t, status, stderr)

	stdout, stderr, status := run(t, "migrate", "down", "--to", "3", "--database-url", databaseURL)

	require.Zero(t, status, stderr)
	assert.Regexp(t, `tables +version 3 of 9\njob queue +version (\d+) of (\d+)`, stdout)
	_, stderr, status = run(t, "migrate", "status", "--database-url", databaseURL)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "learninglog migrate")
	stdout, stderr, status = run(t, "migrate", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Regexp(t, `tables +version 9 of 9`, stdout)
	stdout, _, _ = run(t, "rebuild", "list", "--database-url", databaseURL)
	assert.Regexp(t, `1 +rebuild +available`, stdout, "the queue was left alone")
	s = serve(t, "--database-url", databaseURL)
	words, entries := s.total(user)
	assert.Equal(t, []int{12, 1}, []int{words, entries})
}

func TestMigrateDownToAVersionThatLosesSomething(t *testing.T) {
	t.Parallel()
	skipIfDistributed(t)
	databaseURL, user := pgtest.URL(t), uuid.New()
	s := serve(t, "--database-url", databaseURL)
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12, `"utc_offset":"+09:00"`))
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{"--to", "3"}, "going down to version 3: there are learning logs that were voided (0), or whose offset from UTC is another than 0 or was given by a client (1), and the older version would not know that\n"},
		{[]string{"--to", "1"}, "lose the results of verifications"},
		{[]string{"--to", "0"}, "lose the results of verifications"},
		{[]string{"--to=-1"}, "lose the results of verifications"},
		{[]string{"--to", "10"}, "the tables have version 9, which is older than 10"},
		{[]string{"--to", "three"}, "--to"},
		{[]string{"--to", "3", "--yes"}, "--yes and --to can't be used together"},
	} {
		_, stderr, status := run(t, append([]string{"migrate", "down", "--database-url", databaseURL}, test.arguments...)...)
		assert.Equal(t, 2, status, "%v", test.arguments)
		assert.Contains(t, stderr, test.says, "%v", test.arguments)
	}
	s.mustCall(http.StatusOK, http.MethodGet, "/readyz", "")
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	stdout, stderr, status := run(t, "migrate", "down", "--to", "9", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	assert.Regexp(t, `tables +version 9 of 9`, stdout, "it is there already")

	newKey(t, databaseURL, "--scopes=logs:read")
	_, stderr, status = run(t, "migrate", "down", "--to", "4", "--database-url", databaseURL)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "there are keys that are not revoked (1), and the older version would serve whoever has none")
	_, stderr, status = run(t, "key", "revoke", "1", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	_, stderr, status = run(t, "migrate", "down", "--to", "4", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
}

// A process that dies in the middle of a migration leaves the database marked as
// dirty, before or after the commit of its statements.
func TestMigrateAfterAnInterruption(t *testing.T) {
	t.Parallel()
	skipIfDistributed(t)
	const (
		dirty   = `UPDATE learninglog_schema_migrations SET dirty = true, version = `
		before2 = `DROP TABLE learning_log_verifications; DROP INDEX learning_log_recorded_at_idx;`
		before1 = before2 + `DROP TABLE learning_log; DROP TABLE learning_log_aggregates;`
	)
	for _, test := range []struct{ to, statement string }{
		{"4", dirty + `4`},
		{"3", dirty + `4`},
		{"3", dirty + `3`},
		{"2", dirty + `3`},
		{"2", dirty + `2`},
		{"2", before2 + dirty + `2`},
		{"2", before2 + dirty + `1`},
		{"2", before1 + dirty + `1`},
	} {
		databaseURL := pgtest.URL(t)
		_, stderr, status := run(t, "migrate", "down", "--to", test.to, "--database-url", databaseURL)
		require.Zero(t, status, stderr)
		execute(t, databaseURL, test.statement)
		_, _, status = run(t, "migrate", "status", "--database-url", databaseURL)
		assert.Equal(t, 2, status)

		s := serve(t, "--database-url", databaseURL)
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 1))
		s.mustCall(http.StatusOK, http.MethodGet, "/v1/verifications", "")
		execute(t, databaseURL, `DROP INDEX learning_log_recorded_at_idx, learning_log_aggregates_period_idx,
			learning_log_counted_idx, learning_log_voided_idx, learning_log_changed_at_idx`) // everything exists
	}
}

func TestMigrateDownAfterAnInterruption(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	execute(t, databaseURL, `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		VALUES (gen_random_uuid(), gen_random_uuid(), 1, now())`)
	execute(t, databaseURL, `UPDATE learninglog_schema_migrations SET dirty = true`)

	_, stderr, status := run(t, "migrate", "down", "--yes", "--database-url", databaseURL)

	require.Zero(t, status, stderr)
	var gone bool
	err := pgtest.Open(t, databaseURL).QueryRow(t.Context(),
		`SELECT to_regclass('learning_log') IS NULL AND to_regclass('learning_log_aggregates') IS NULL
		    AND to_regclass('learning_log_verifications') IS NULL`).Scan(&gone)
	require.NoError(t, err)
	assert.True(t, gone, "what it says it removed is gone")
}

// River's own migrations can't go down after two jobs of one scope have ended.
func TestMigrateDownAfterRebuilds(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	for range 2 {
		_, stderr, status := run(t, "verify", "--database-url", databaseURL)
		require.Zero(t, status, stderr)
	}
	stdout, stderr, status := run(t, "migrate", "down", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Regexp(t, `job queue +version 0 of `, stdout)
	_, stderr, status = run(t, "migrate", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
}

// A verify that began earlier has passed some users already, so it misses drift that
// they have had since. So the command waits for it, and then requests another.
func TestVerifyDoesNotTrustOneThatHadBegunBefore(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	user := uuid.New()
	s := serve(t, "--database-url", databaseURL)
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	s.stop()
	// A verify of everything that has passed all users, but has not ended.
	s2 := pgtest.Open(t, databaseURL)
	_, stderr, status := run(t, "rebuild", "--dry-run", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	_, err := s2.Exec(t.Context(), `
		UPDATE river.river_job SET attempted_at = now(), metadata = jsonb_build_object(
		    'river:resumable_step', 'chunks',
		    'river:resumable_cursor', jsonb_build_object('chunks', jsonb_build_object(
		        'from', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'done', false, 'progress', jsonb_build_object())))`)
	require.NoError(t, err)
	execute(t, databaseURL, zeroTotals)

	stdout, _, status := run(t, "verify", "--database-url", databaseURL)

	assert.Equal(t, 1, status, stdout)
	assert.Regexp(t, `^rebuild 1 of the same scope had begun before, and its workers and pace hold: waiting for it
rebuild 1 has ended; now for one that begins now
`, stdout)
	assert.Contains(t, stdout, user.String())
}

func TestSchemaThatIsNewerThanTheProgram(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	execute(t, databaseURL, `UPDATE learninglog_schema_migrations SET version = 1000`)

	_, stderr, status := run(t, "serve", "--addr", "127.0.0.1:0", "--database-url", databaseURL)

	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "run a newer learninglog")
}

func TestCommandsThatFail(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		arguments []string
		says      string
	}{
		{[]string{}, "--help"},
		{[]string{"frobnicate"}, "learninglog --help"},
		{[]string{"serve", "--log-level", "loud"}, "learninglog serve --help"},
		{[]string{"verify", "--data-dir", dataDir(t)}, "learninglog serve --data-dir "},
		{[]string{"verify", "--user", "me"}, `--user: must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22, not "me"`},
		{[]string{"verify", "--from", "yesterday", "--database-url", pgtest.URL(t)}, "--from must be a date"},
		{[]string{"verify", "--from", "2026-01-02", "--to", "2026-01-01", "--database-url", pgtest.URL(t)}, "--from must not be after --to"},
		{[]string{"verify", "--recorded-since", "monday", "--database-url", pgtest.URL(t)}, "--recorded-since must be a date"},
		{[]string{"verify", "--users-file", "/none"}, "/none"},
		{[]string{"rebuild", "--workers", "9"}, "--workers must be from 1 to 8"},
		{[]string{"rebuild", "--max-logs-per-second", "-1"}, "learninglog rebuild start --help"},
		{[]string{"rebuild", "--max-logs-per-second", "999"}, "--max-logs-per-second must be 0, which is as many as it can, or from 1000 to 2147483647"},
		{[]string{"rezone", "--time-zone", "UTC", "--max-logs-per-second", "1"}, "or from 1000 to"},
		{[]string{"rebuild", "watch"}, "learninglog rebuild watch --help"},
		{[]string{"rebuild", "watch", "7", "--database-url", pgtest.URL(t)}, "there is no rebuild 7"},
		{[]string{"rebuild", "cancel", "7", "--database-url", pgtest.URL(t)}, "there is no rebuild 7"},
		{[]string{"serve", "--database-url", "postgres://localhost/x?default_query_exec_mode=simple_protocol"}, "for the session"},
		{[]string{"rebuild", "7"}, "learninglog rebuild watch 7`?"},
		{[]string{"rebuild", "wacth", "7"}, "the subcommands of rebuild are start, watch, cancel, list"},
		{[]string{"verify", "--from", "2026-02-30", "--database-url", pgtest.URL(t)}, `not "2026-02-30"`},
		{[]string{"verify", "--data-dir", ""}, "--data-dir must name a directory"},
		{[]string{"rebuild", "--data-dir", ""}, "--data-dir must name a directory"},
		{[]string{"rebuild", "watch", "7", "--data-dir", ""}, "--data-dir must name a directory"},
		{[]string{"rebuild", "list", "--data-dir", ""}, "--data-dir must name a directory"},
		{[]string{"migrate", "--data-dir", ""}, "--data-dir must name a directory"},
		{[]string{"health", "--addr", pgtest.ClosedAddress(t)}, "can't be reached"},
		{[]string{"health", "--addr", "http://127.0.0.1:8080"}, `--addr must be host:port, such as 127.0.0.1:8080, or a Unix socket, such as unix:/run/learninglog.sock, not "http://127.0.0.1:8080"`},
		{[]string{"serve", "--addr", "8081"}, `--addr must be host:port, such as 127.0.0.1:8080, or a Unix socket, such as unix:/run/learninglog.sock, not "8081"`},
		{[]string{"serve", "--data-dir", ""}, "--data-dir must name a directory"},
		{[]string{"serve", "--earliest-timestamp", "2000"}, "--earliest-timestamp: must be an RFC 3339 date-time"},
		{[]string{"serve", "--log-level", "trace"}, `--log-level: must be debug, info, warn or error, not "trace"`},
		{[]string{"serve", "--write-lanes", "0"}, "--write-lanes must be at least 1"},
		{[]string{"serve", "--time-zone", "EST"}, `--time-zone: must be an IANA time zone such as Asia/Tokyo, or UTC, not "EST"`},
		{[]string{"serve", "--time-zone", "Europe/Atlantis"}, `not "Europe/Atlantis"`},
		{[]string{"serve", "--time-zone", "Local"}, `not "Local"`},
		{[]string{"serve", "--time-zone", ""}, `not ""`},
		{[]string{"serve", "--time-zone", "../etc/passwd"}, `not "../etc/passwd"`},
	} {
		_, stderr, status := run(t, test.arguments...)
		assert.Equal(t, 2, status, "%v", test.arguments)
		assert.Contains(t, stderr, test.says, "%v", test.arguments)
	}
}

// A wrong flag is reported even if something else would also prevent the start:
// here, another process listens on the address.
func TestServeChecksItsFlagsBeforeItListens(t *testing.T) {
	t.Parallel()
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = occupied.Close() })
	for flag, says := range map[string]string{
		"--data-dir=":                   "--data-dir must name a directory",
		"--database-url=postgres://a b": "postgres://user:password@host",
		"--database-url=postgres://localhost/x?pool_max_conns=1":                        "at least 9",
		"--database-url=postgres://localhost/x?default_query_exec_mode=simple_protocol": "for the session",
	} {
		_, stderr, status := run(t, "serve", "--addr", occupied.Addr().String(), flag)
		assert.Equal(t, 2, status, flag)
		assert.Contains(t, stderr, says, flag)
		assert.Contains(t, stderr, "learninglog serve --help", flag)
	}
}

// What the help shows to be typed is a command that there is, with flags that it has.
func TestHelpShowsCommandsThatThereAre(t *testing.T) {
	t.Parallel()
	shown := regexp.MustCompile(`(?m)^ {1,8}learninglog (.+?)(?:  .*)?$`)
	found := 0
	for _, command := range []string{
		"serve", "migrate", "migrate down", "import", "rebuild", "rebuild start", "rebuild watch", "rebuild cancel",
		"rebuild list", "verify", "key", "key create", "health", "openapi", "version",
	} {
		help, stderr, status := run(t, append(strings.Fields(command), "--help")...)
		require.Zero(t, status, "%s --help: %s", command, stderr)
		for _, line := range shown.FindAllStringSubmatch(help, -1) {
			found++
			if strings.Contains(line[1], `"`) { // it is meant for a shell
				continue
			}
			arguments := strings.Fields(line[1])
			for i, argument := range arguments {
				if argument == "users.txt" { // which must exist
					arguments[i] = "/dev/null"
				}
			}
			_, stderr, status := run(t, append(arguments, "--help")...)
			assert.Zero(t, status, "learninglog %s --help: %s", line[1], stderr)
		}
	}
	assert.GreaterOrEqual(t, found, 6)
}

// openapi.yaml must match the code: run `make schema` after changing it.
func TestOpenAPIIsCommitted(t *testing.T) {
	t.Parallel()
	stdout, stderr, status := run(t, "openapi")
	require.Zero(t, status, stderr)
	committed, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	assert.Equal(t, stdout, string(committed), "run: make schema")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	stdout, _, status := run(t, "version")
	assert.Zero(t, status)
	assert.Regexp(t, `^learninglog \S+.* \(go1\.\S+, \w+/\w+\)\n$`, stdout)
}
