// Package redistest runs Redis servers for tests.
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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

// Start starts a server, which ends with the test. If Redis isn't installed, the test is
// skipped, or fails where CI is set. The arguments are more settings, such as --maxmemory.
func Start(t testing.TB, arguments ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const missing = "there is no redis-server for replicas to share: install it, and run `go clean -testcache`"
		require.Empty(t, os.Getenv("CI"), missing)
		t.Skip(missing)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	at := url.URL{Scheme: "redis", User: url.UserPassword("", Password), Host: address}
	s := &Server{URL: at.String(), t: t, address: address, arguments: arguments}
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
	s.command = exec.CommandContext(context.Background(), "redis-server", append([]string{
		settings, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", filepath.Dir(settings),
	}, s.arguments...)...)
	require.NoError(s.t, s.command.Start())
	require.Eventually(s.t, s.answers, 30*time.Second, time.Millisecond, "Redis doesn't start")
}

// answers reports whether the server answers, and is this one: it knows the password.
func (s *Server) answers() bool {
	connection, err := new(net.Dialer).DialContext(context.Background(), "tcp", s.address)
	if err != nil {
		return false
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(connection, "AUTH %q\r\n", Password)
	answer, _ := bufio.NewReader(connection).ReadString('\n')
	return answer == "+OK\r\n"
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
