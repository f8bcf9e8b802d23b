package postgres_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"learninglog/internal/pgtest"
)

// This tests the options alone, not what the kernel makes of them: silence takes a firewall.
func TestTheKernelIsAskedToBreakAConnectionToASilentHostWithinTenSeconds(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{"", "&connect_timeout=5"} {
		socket := socketOf(t, pgtest.Open(t, overTCP(t, pgtest.EmptyURL(t))+settings))
		option := func(level, name int) (value int) {
			err := socket.Control(func(descriptor uintptr) {
				var err error
				value, err = unix.GetsockoptInt(int(descriptor), level, name)
				require.NoError(t, err)
			})
			require.NoError(t, err)
			return value
		}

		assert.Equal(t, 1, option(unix.SOL_SOCKET, unix.SO_KEEPALIVE))
		idle := option(unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
		probes := option(unix.IPPROTO_TCP, unix.TCP_KEEPCNT) * option(unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)
		assert.LessOrEqual(t, idle+probes, 10, "seconds until an idle connection breaks")
		timeout := option(unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		assert.GreaterOrEqual(t, timeout, 5_000, "milliseconds until sent data must be acknowledged")
		assert.LessOrEqual(t, timeout, 10_000, "milliseconds until sent data must be acknowledged")
	}
}

func socketOf(t *testing.T, pool *pgxpool.Pool) syscall.RawConn {
	t.Helper()
	connection, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	t.Cleanup(connection.Release)
	tcp, ok := connection.Conn().PgConn().Conn().(*net.TCPConn)
	require.True(t, ok, "it is a connection over TCP")
	socket, err := tcp.SyscallConn()
	require.NoError(t, err)
	return socket
}

// overTCP returns an address of the same database over TCP, wherever its server
// listens.
func overTCP(t *testing.T, databaseURL string) string {
	t.Helper()
	config, err := pgxpool.ParseConfig(databaseURL)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	server := config.ConnConfig
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(client, server.Host, server.Port)
		}
	}()
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", server.User, server.Password, listener.Addr(), server.Database)
}

// forward connects the client with the server until the client closes.
func forward(client net.Conn, host string, port uint16) {
	defer func() { _ = client.Close() }()
	network, address := pgconn.NetworkAddress(host, port)
	server, err := new(net.Dialer).DialContext(context.Background(), network, address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(client, server) }()
	_, _ = io.Copy(server, client)
}
