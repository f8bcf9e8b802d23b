package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

func TestRebuildTheUsersOfAFile(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	driftedUsers(t, pool, 5)
	rows, err := pool.Query(t.Context(), `SELECT user_id::text FROM learning_log ORDER BY random()`)
	require.NoError(t, err)
	var users []string
	for rows.Next() {
		var user string
		require.NoError(t, rows.Scan(&user))
		users = append(users, user)
	}
	require.NoError(t, rows.Err())
	list := "# those who complained\n\n" + users[0] + "\n  " + users[1] + "  # twice\r\n" + users[1] + "\n"
	name := filepath.Join(t.TempDir(), "users.txt")
	require.NoError(t, os.WriteFile(name, []byte(list), 0o600))

	stdout, stderr, status := run(t, "verify", "--users-file", name, "--database-url", databaseURL)
	assert.Equal(t, 1, status, stderr)
	assert.Contains(t, stdout, "Compared 2 logs of 2 users")
	assert.Contains(t, stdout, "By granularity: 2 days, 2 weeks, 2 months. The worst first:")
	for _, period := range []string{"day +2026-01-14", "week +2026-01-12", "month +2026-01-01"} {
		assert.Regexp(t, users[0]+" +"+period+" +0 +1 +0 +1\n", stdout)
	}

	command := exec.Command(program, "rebuild", "--wait", "--users-file", "-", "--user", users[2], "--database-url", databaseURL)
	command.Env, command.Stdin = environment(), strings.NewReader(list)
	output, err := command.Output()
	require.NoError(t, err)
	assert.Contains(t, string(output), "Drift in 9 rows of the rollups, which has been repaired")

	stdout, _, status = run(t, "rebuild", "list", "--database-url", databaseURL)
	assert.Zero(t, status)
	assert.Regexp(t, `(?s)2 +rebuild +completed .* 3 +9 +9 +3 users\n1 +verify +completed .* 2 +6 +0 +2 users\n`, stdout)
}

func TestVerifySeveralUsers(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	users := []string{uuid.NewString(), uuid.NewString(), uuid.NewString()}
	for _, user := range users {
		execute(t, databaseURL, `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
			VALUES (gen_random_uuid(), '`+user+`', 1, now())`)
	}
	file := writeFile(t, "users.txt", users[1])

	stdout, _, status := run(t, "verify", "--user", users[0], "--user", users[2], "--database-url", databaseURL)
	assert.Equal(t, 1, status)
	assert.Contains(t, stdout, "Compared 2 logs of 2 users")

	stdout, _, status = run(t, "verify", "--user", users[0], "--users-file", file, "--user", users[2], "--database-url", databaseURL)
	assert.Equal(t, 1, status)
	assert.Contains(t, stdout, "Compared 3 logs of 3 users", "both together")
}

func TestAUsersFileThatIsWrong(t *testing.T) {
	t.Parallel()
	dir, databaseURL := t.TempDir(), pgtest.URL(t)
	for _, test := range []struct{ name, list, says string }{
		{"no UUID", uuid.NewString() + "\n\nme\n", `line 3 of `},
		{"nobody", "# nobody\n", "lists no user"},
		{"a line that never ends", strings.Repeat("a", 1<<20), "line 1 of "},
		{"too many", manyUsers(rebuild.MaxUsers + 1), "rebuild everybody"},
	} {
		name := filepath.Join(dir, "users.txt")
		require.NoError(t, os.WriteFile(name, []byte(test.list), 0o600))

		_, stderr, status := run(t, "rebuild", "--users-file", name, "--database-url", databaseURL)

		assert.Equal(t, 2, status, test.name)
		assert.Contains(t, stderr, test.says, test.name)
		assert.Contains(t, stderr, name, test.name)
	}
	stdout, _, _ := run(t, "rebuild", "list", "--database-url", databaseURL)
	assert.Contains(t, stdout, "There are no rebuilds", "nothing was asked for")
}

func manyUsers(n int) string {
	var list bytes.Buffer
	for range n {
		list.WriteString(uuid.NewString() + "\n")
	}
	return list.String()
}

func TestRebuildSaysItsPaceAndScope(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	for _, test := range []struct {
		flags []string
		says  string
	}{
		{nil, `{"scope": {}, "operator": true, "workers": 1, "max_logs_per_second": 20000}`},
		{
			[]string{"--dry-run", "--workers", "4", "--max-logs-per-second", "0", "--recorded-since", "2026-01-14"},
			`{"scope": {"recorded_since": "2026-01-14T00:00:00Z"}, "dry_run": true, "operator": true, "workers": 4}`,
		},
		{
			[]string{"--recorded-since", "2026-01-14T08:30:00+01:00", "--from", "2026-01-01", "--to", "2026-01-31T23:30:00-05:00"},
			`{"scope": {"recorded_since": "2026-01-14T07:30:00Z", "from": "2026-01-01", "to": "2026-01-31"},
			  "operator": true, "workers": 1, "max_logs_per_second": 20000}`,
		},
	} {
		_, stderr, status := run(t, append([]string{"rebuild", "--database-url", databaseURL}, test.flags...)...)
		require.Zero(t, status, stderr)
		var args string
		err := pool.QueryRow(t.Context(), `SELECT args::text FROM river.river_job ORDER BY id DESC LIMIT 1`).Scan(&args)
		require.NoError(t, err)
		assert.JSONEq(t, test.says, args)
	}
	stdout, stderr, status := run(t, "rebuild", "list", "--limit", "1", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "recorded since 2026-01-14T07:30:00Z, from 2026-01-01, to 2026-01-31")
	assert.Equal(t, 2, strings.Count(stdout, "\n"))
}

// Without a service, the command works on the rebuild itself. If it is stopped, it
// says that the next service or command continues the rebuild, and that is true.
func TestStoppingARebuildThatNobodyElseWorks(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	driftedUsers(t, pool, 10_000)
	command := exec.Command(program, "rebuild", "--wait", "--max-logs-per-second", "2000", "--database-url", databaseURL)
	shown := new(lockedBuffer)
	command.Env, command.Stderr = environment(), shown
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill() })
	require.Eventually(t, func() bool {
		return strings.Contains(shown.String(), "rebuild 1: ") && strings.Contains(shown.String(), "drifted, ")
	}, eventually, often, "it shows lines where there is no terminal: %s", shown)

	require.NoError(t, command.Process.Signal(os.Interrupt))
	require.Error(t, command.Wait())
	assert.Contains(t, shown.String(), "goes on with the next service or command")
	assertNever(t, shown.String(), "DATA RACE")

	stdout, stderr, status := run(t, "rebuild", "watch", "1", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "Compared 10000 logs of 10000 users")
}
