package pgtest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// ClosedAddress returns a host:port that refuses connections until the test ends: no
// other process can listen there meanwhile, as the port is in use, by the client of a
// connection.
func ClosedAddress(t testing.TB) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client.LocalAddr().String()
}
