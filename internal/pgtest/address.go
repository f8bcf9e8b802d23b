package pgtest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// ClosedAddress returns a host:port that refuses connections until the test ends. No
// other process can listen there meanwhile, because the client end of a connection
// uses the port.
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
