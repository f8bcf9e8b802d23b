package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// socketPrefix begins an address that is the path of a Unix socket.
const socketPrefix = "unix:"

// networkOf returns the network of an address, and the address there.
func networkOf(address string) (network, there string) {
	if path, ok := strings.CutPrefix(address, socketPrefix); ok {
		return "unix", path
	}
	return "tcp", address
}

// checkAddress returns an error if the value of --addr is wrong.
func checkAddress(address string) error {
	network, there := networkOf(address)
	_, _, err := net.SplitHostPort(there)
	if network == "unix" && filepath.IsAbs(there) || network == "tcp" && err == nil {
		return nil
	}
	return fmt.Errorf("--addr must be host:port, such as 127.0.0.1:8080, or a Unix socket, such as unix:/run/learninglog.sock, not %q", address)
}

// isSocket reports whether an address is a Unix socket.
func isSocket(address string) bool { return strings.HasPrefix(address, socketPrefix) }

// isLoopback reports whether only processes of this machine can reach an address.
func isLoopback(address string) bool {
	if isSocket(address) {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	network, there := networkOf(address)
	if network == "unix" {
		removeStale(ctx, there)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, network, there)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the address %s is in use by another process: stop that one, or choose another with --addr", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; choose another address with --addr", address, err)
	}
	return listener, nil
}

// removeStale removes the socket of a process that was killed: one that nobody listens to.
func removeStale(ctx context.Context, path string) {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		_ = connection.Close() // listening will fail, and say why
		return
	}
	if info, statErr := os.Stat(path); statErr == nil && info.Mode()&fs.ModeSocket != 0 && errors.Is(err, syscall.ECONNREFUSED) {
		_ = os.Remove(path) // listening says why it can't be
	}
}

// reachable returns the address in a form to which clients on this machine can connect. To
// a Unix socket they connect otherwise, and ask for localhost.
func reachable(address net.Addr) string {
	if address.Network() == "unix" {
		return "localhost"
	}
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
