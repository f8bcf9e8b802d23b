package main_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

func TestAnImportShowsItsKey(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	s := serve(t, "--database-url", url, "--auth=keys")
	learner, other := uuid.New(), uuid.New()
	file := writeFile(t, "logs.ndjson", newLog(learner, 1)+"\n"+newLog(other, 2)+"\n")
	ofLearner := newKey(t, url, "--scopes=logs:write", "--user="+learner.String())
	keyFile := writeFile(t, "key", ofLearner+"\n")

	printed, problems, status := run(t, "import", "--url", s.base, "--key-file", keyFile, file)
	assert.Equal(t, 1, status, problems)
	outcomes := counted(t, printed)
	assert.Equal(t, 1, outcomes["recorded"], printed)
	assert.Equal(t, 1, outcomes["forbidden"], printed)
	rejects := readRejects(t, file+".rejects.ndjson")
	require.Len(t, rejects, 1)
	assert.Equal(t, "forbidden", rejects[0].Outcome)
	assert.Equal(t, 2, rejects[0].Line)
	assert.Equal(t, "user_id", rejects[0].Errors[0].Location)

	printed, problems, status = runIn(t, append(environment(), "LEARNINGLOG_KEY="+ofLearner), "void", "--url", s.base, "--user", other.String(), uuid.NewString())
	assert.Equal(t, 1, status, problems)
	assert.Contains(t, printed, "forbidden: names another learner")
}

func TestAnImportEndsAtOnceWithoutTheRightKey(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	s := serve(t, "--database-url", url, "--auth=keys")
	file := writeFile(t, "logs.ndjson", newLog(uuid.New(), 1)+"\n")
	reader := writeFile(t, "reader", newKey(t, url, "--scopes=logs:read"))
	unknown := writeFile(t, "unknown", "llk_"+strings.Repeat("x", 43)+"_123456")
	for name, test := range map[string]struct {
		arguments []string
		says      string
	}{
		"no key":        {nil, "Set LEARNINGLOG_KEY"},
		"a wrong key":   {[]string{"--key-file", unknown}, "Set LEARNINGLOG_KEY"},
		"a key to read": {[]string{"--key-file", reader}, "logs:write"},
	} {
		arguments := append([]string{"import", "--url", s.base, "--retry-for=10m", file}, test.arguments...)
		_, problems, status := run(t, arguments...)
		assert.Equal(t, 2, status, name)
		assert.Contains(t, problems, test.says, name)
		assert.NotContains(t, problems, "xxxx", name)
	}
}

func TestAKeyCanNotBeAnArgument(t *testing.T) {
	t.Parallel()
	key := "llk_" + strings.Repeat("x", 43) + "_123456"
	for _, arguments := range [][]string{
		{"import", "--key=" + key, "logs.ndjson"},
		{"import", "--key", key, "logs.ndjson"},
		{"void", "--key=" + key, "--file=logs.ndjson"},
		{"import", "logs.ndjson", key},
		{"import", "--quiet=" + key, "logs.ndjson"},
	} {
		_, problems, status := run(t, arguments...)
		assert.Equal(t, 2, status, arguments)
		assert.NotContains(t, problems, "xxxx", "%s", arguments)
		if strings.HasPrefix(arguments[1], "--key") {
			assert.Contains(t, problems, "--key-file", "%s", arguments)
			assert.Contains(t, problems, "LEARNINGLOG_KEY", "%s", arguments)
		}
	}
	two := writeFile(t, "keys", key+"\n"+key)
	for _, wrong := range []string{two, writeFile(t, "empty", "\n"), filepath.Join(t.TempDir(), "none")} {
		_, problems, status := run(t, "import", "--key-file", wrong, two)
		assert.Equal(t, 2, status)
		assert.NotContains(t, problems, "xxxx")
		assert.Contains(t, problems, wrong)
	}
}
