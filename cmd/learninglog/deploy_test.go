package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	systemdUnit  = "../../deploy/systemd/learninglog.service"
	caddyfile    = "../../deploy/caddy/Caddyfile"
	operatorsDoc = "../../docs/operations.md"
)

// A variable that the program doesn't know would be ignored without a word.
func TestFilesForOperatorsNameVariablesThatThereAre(t *testing.T) {
	t.Parallel()
	variables := regexp.MustCompile(`\bLEARNINGLOG_[A-Z_]+`)
	known := make(map[string]bool)
	for _, command := range []string{"serve", "import"} {
		help, _, status := run(t, command, "--help")
		require.Zero(t, status)
		for _, name := range variables.FindAllString(help, -1) {
			known[name] = true
		}
	}
	for _, file := range []string{caddyfile, operatorsDoc} {
		named := variables.FindAllString(readText(t, file), -1)
		require.NotEmpty(t, named, file)
		for _, name := range named {
			assert.True(t, known[name], "%s names %s", file, name)
		}
	}
}

func TestTheUnitIsValidForSystemd(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze to check the unit with")
	}
	unit := readText(t, systemdUnit)
	start := regexp.MustCompile(`(?m)^ExecStart=\S+`)
	require.Len(t, start.FindAllString(unit, -1), 1)
	path := filepath.Join(t.TempDir(), filepath.Base(systemdUnit))
	require.NoError(t, os.WriteFile(path, []byte(start.ReplaceAllString(unit, "ExecStart="+program)), 0o600))

	said, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()

	assert.NoError(t, err, "%s", said)
	assert.NotContains(t, string(said), filepath.Base(path), "warnings")
}
