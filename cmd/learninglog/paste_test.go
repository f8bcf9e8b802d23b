package main_test

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
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

// In a container the program isn't called as people call it, who read its log or README.md.
func TestTheFirstStartSaysHowToMakeAKey(t *testing.T) {
	t.Parallel()
	compose, err := os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	command := regexp.MustCompile(`LEARNINGLOG_COMMAND: (.*) #`).FindSubmatch(compose)
	require.NotNil(t, command)
	there := append(environment(), "DATABASE_URL="+pgtest.URL(t), "LEARNINGLOG_COMMAND="+string(command[1]))
	start := func() *service {
		t.Helper()
		s, err := tryServeIn(t, there, "--auth=keys")
		require.NoError(t, err)
		return s
	}
	s := start()

	said := regexp.MustCompile(`msg="nobody has a key yet" create="(.*?)"`).FindAllStringSubmatch(s.log.String(), -1)
	require.Len(t, said, 1, s.log)
	assert.Contains(t, readmeSection(t, "With Docker"), said[0][1])

	pasted := exec.Command("sh", "-c", strings.Replace(said[0][1], string(command[1]), program, 1))
	pasted.Env = there
	key, err := pasted.Output()
	require.NoError(t, err, said[0][1])
	path := "/v1/users/" + uuid.NewString() + "/summary"
	assert.Equal(t, http.StatusOK, s.with(strings.TrimSpace(string(key)), http.MethodGet, path, "", "").status)
	mistaken := exec.Command(program, "key", "crate")
	mistaken.Env = there
	output, err := mistaken.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(output), "See: "+string(command[1])+" ")

	s.stop()
	assert.NotContains(t, start().log.String(), "nobody has a key yet")
}

// The hint for a URL that says more than its address fails until the rest is filled in.
func TestHintsSayOnlyTheAddressOfATypedDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	for _, test := range []struct {
		environment, flag, says string
	}{
		{databaseURL, "", "`bin/learninglog rebuild list`"},
		{"", databaseURL + "&password=s3cr3t", "`bin/learninglog rebuild list --database-url 'postgres://"},
		{databaseURL, databaseURL + "&password=s3cr3t", "…'`"},
	} {
		command := exec.Command(program, "rebuild", "watch", "7")
		command.Args[0], command.Env = "bin/learninglog", append(environment(), "DATABASE_URL="+test.environment)
		if test.flag != "" {
			command.Args = append(command.Args, "--database-url", test.flag)
		}
		output, err := command.CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(output), test.says)
		assert.NotContains(t, string(output), "s3cr3t")
	}
}

func TestOnlyTheAddressOfADatabaseIsPrintedOrLogged(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	secret := databaseURL + "&password=s3cr3t&sslpassword=s3cr3t&passfile=/s3cr3t&krbspn=s3cr3t&krbsrvname=s3cr3t&application_name=s3cr3t"
	for _, form := range []string{secret, keysAndValues(t, secret)} {
		s := serve(t, "--database-url", form)
		assert.Contains(t, s.greeted, postgres.Address(databaseURL))
		s.stop()
		assert.NotContains(t, s.greeted, "s3cr3t")
		assert.NotContains(t, s.log.String(), "s3cr3t")
		for _, arguments := range [][]string{
			{"migrate", "status"},
			{"migrate"},
			{"verify"},
			{"serve", "--help"},
			{"serve", "--addr", "nonsense"},
			{"serve", "--database-url", form + " not_known"},
			{"serve", form},
			{"serve", "password=s3cr3t"},
		} {
			command := exec.Command(program, arguments...)
			command.Env = append(environment(), "DATABASE_URL="+form)
			output, _ := command.CombinedOutput()
			assert.NotContains(t, string(output), "s3cr3t", "%v", arguments)
			assert.NotEmpty(t, output, "%v", arguments)
		}
	}
}

// keysAndValues returns the same address in PostgreSQL's other form.
func keysAndValues(t *testing.T, databaseURL string) string {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	require.NoError(t, err)
	pairs := []string{"dbname=" + strings.TrimPrefix(parsed.Path, "/")}
	if host := parsed.Hostname(); host != "" {
		pairs = append(pairs, "host="+host, "port="+parsed.Port(), "user="+parsed.User.Username())
	}
	for key, values := range parsed.Query() {
		pairs = append(pairs, key+"='"+values[0]+"'")
	}
	return strings.Join(pairs, " ")
}
