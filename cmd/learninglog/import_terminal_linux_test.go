package main_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

func TestImportShowsABarOnATerminal(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	for _, quiet := range []bool{false, true} {
		shown, terminal := openTerminal(t)
		command := exec.Command(program, "import", "-", "--url", s.base, fmt.Sprintf("--quiet=%t", quiet))
		command.Env, command.Dir, command.Stderr = environment(), t.TempDir(), terminal
		stdin, err := command.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		t.Cleanup(func() { _ = command.Process.Kill() })

		_, err = fmt.Fprintln(stdin, newLog(user, 1))
		require.NoError(t, err)
		if !quiet {
			require.Eventually(t, func() bool {
				return strings.Contains(shown.String(), "\r") && strings.Contains(shown.String(), "1 log, ")
			}, eventually, often, "%q", shown)
		}
		require.NoError(t, stdin.Close())
		require.NoError(t, command.Wait(), "%s", shown)
		assert.Equal(t, quiet, shown.String() == "")
	}
}
