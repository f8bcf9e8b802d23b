// Package redistest runs Redis servers for tests.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Password is what a client must know.
const Password = "not/in+any log"

// Server is a server that keeps nothing, on the loopback.
type Server struct {
	// URL has the password.
	URL string

	t         testing.TB
	address   string
	arguments []string
	command   *exec.Cmd
}

// Start starts a server, which ends with the test. The test is skipped if Redis isn't
// installed. The arguments are more settings, such as --maxmemory.
func Start(t testing.TB, arguments ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server isn't installed: apt-get install redis-server")
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	s := &Server{URL: "redis://:" + strings.NewReplacer("/", "%2F", "+", "%2B", " ", "%20").Replace(Password) + "@" + address, t: t, address: address, arguments: arguments}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server again.
func (s *Server) Start() {
	s.t.Helper()
	host, port, err := net.SplitHostPort(s.address)
	require.NoError(s.t, err)
	settings := filepath.Join(s.t.TempDir(), "redis.conf") // so that no list of processes has the password
	require.NoError(s.t, os.WriteFile(settings, fmt.Appendf(nil, "requirepass %q\n", Password), 0o600))
	s.command = exec.Command("redis-server", append([]string{settings,
		"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(settings)}, s.arguments...)...)
	require.NoError(s.t, s.command.Start())
	require.Eventually(s.t, func() bool {
		connection, err := new(net.Dialer).DialContext(context.Background(), "tcp", s.address)
		if err != nil {
			return false
		}
		return connection.Close() == nil
	}, 30*time.Second, time.Millisecond, "Redis doesn't start")
}

// Stop kills the server, if it runs.
func (s *Server) Stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
	s.command = nil
}

// Freeze makes the server take connections and answer nothing, until it is thawed.
func (s *Server) Freeze() { require.NoError(s.t, s.command.Process.Signal(syscall.SIGSTOP)) }

// Thaw ends Freeze.
func (s *Server) Thaw() { require.NoError(s.t, s.command.Process.Signal(syscall.SIGCONT)) }
