package main_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

// Command lines that a command suggests work as pasted, for the same database and
// scope.
func TestHintsWorkAsPasted(t *testing.T) {
	t.Parallel()
	dir, user := filepath.Join(dataDir(t), "it's here"), uuid.NewString()
	serve(t, "--data-dir", dir)
	driftedUsers(t, pgtest.Open(t, embeddedpg.URL(dir)), 1)
	execute(t, embeddedpg.URL(dir), `INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		VALUES (gen_random_uuid(), '`+user+`', 1, '2026-01-14Z')`)

	hint := func(stdout string) string {
		t.Helper()
		_, hint, found := strings.Cut(strings.Split(stdout, "\n")[1], "To repair it: ")
		require.True(t, found, stdout)
		return hint
	}
	verified, _, status := run(t, "verify", "--user", user, "--from", "2026-01-14", "--to", "2026-01-14", "--data-dir", dir)
	require.Equal(t, 1, status)
	watched, _, status := run(t, "rebuild", "watch", "1", "--data-dir", dir)
	require.Zero(t, status)
	for _, pasted := range []string{hint(watched), hint(verified)} {
		command := exec.Command("sh", "-c", pasted)
		command.Env = environment()
		output, err := command.Output()
		require.NoError(t, err, pasted)
		assert.Contains(t, string(output), "Compared 1 log of 1 user ", pasted)
	}
}

func TestHintsSayWhatWasTypedButNoPassword(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	for _, test := range []struct {
		environment, flag, says string
	}{
		{databaseURL, "", "`bin/learninglog rebuild list`"},
		{"", databaseURL + "&password=secret", "`bin/learninglog rebuild list --database-url 'postgres://"},
		{databaseURL, databaseURL + "&password=secret", "`bin/learninglog rebuild list --database-url 'postgres://"},
	} {
		command := exec.Command(program, "rebuild", "watch", "7")
		command.Args[0], command.Env = "bin/learninglog", append(environment(), "DATABASE_URL="+test.environment)
		if test.flag != "" {
			command.Args = append(command.Args, "--database-url", test.flag)
		}
		output, err := command.CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(output), test.says)
		assert.NotContains(t, string(output), "secret")
	}
}
