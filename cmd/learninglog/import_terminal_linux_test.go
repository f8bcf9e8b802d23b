package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"learninglog/internal/pgtest"
)

func TestImportShowsABarOnATerminal(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	for _, quiet := range []bool{false, true} {
		screen, terminal := openTerminal(t)
		command := exec.Command(program, "import", "-", "--url", s.base, fmt.Sprintf("--quiet=%t", quiet))
		command.Env, command.Dir, command.Stderr = environment(), t.TempDir(), terminal
		stdin, err := command.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		t.Cleanup(func() { _ = command.Process.Kill() })
		shown := new(lockedBuffer)
		go func() {
			for text := make([]byte, 4096); ; {
				n, err := screen.Read(text)
				if err != nil {
					return
				}
				_, _ = shown.Write(text[:n])
			}
		}()

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

// openTerminal returns a terminal, and what a person would see on it.
func openTerminal(t testing.TB) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no pseudo-terminal on this machine")
	}
	t.Cleanup(func() { _ = screen.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	return screen, terminal
}
