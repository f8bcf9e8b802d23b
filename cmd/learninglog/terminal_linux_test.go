package main_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// openTerminal returns a terminal, and the text that a person sees on it.
func openTerminal(t testing.TB) (shown *lockedBuffer, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminal can be opened: run the tests where there is a /dev/ptmx: ", err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = terminal.Close() })

	shown = new(lockedBuffer)
	go func() {
		for text := make([]byte, 4096); ; {
			n, err := screen.Read(text)
			if err != nil {
				return
			}
			_, _ = shown.Write(text[:n])
		}
	}()
	return shown, terminal
}
