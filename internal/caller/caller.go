// Package caller tells apart whoever requests are from, so that each has a fair share of
// what the service can do and hold at a time. A caller is an address, or the name of
// whoever is known by a key or a login.
package caller

import (
	"context"
	"net"
	"net/netip"
)

// Caller is whoever a request is from. The zero value is the service itself, and whoever
// comes through a Unix socket.
type Caller struct {
	network netip.Prefix
	name    string // if it is known
}

// Named returns the caller with a name, from whatever address.
func Named(name string) Caller { return Caller{name: name} }

// At returns the caller at the remote address of a connection.
func At(address net.Addr) Caller {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return Caller{}
	}
	return AtIP(tcp.AddrPort().Addr())
}

// AtIP returns the caller at an address. One who has an IPv6 address usually has 2⁶⁴ of
// them, so these are one caller.
func AtIP(ip netip.Addr) Caller {
	const network = 64 // bits
	ip = ip.Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = network
	}
	prefix, _ := ip.Prefix(bits) // fails only for an invalid address
	return Caller{network: prefix}
}

// String returns the name, the address, or the network of addresses.
func (c Caller) String() string {
	switch {
	case c.name != "":
		return c.name
	case !c.network.IsValid():
		return "local"
	case c.network.IsSingleIP():
		return c.network.Addr().String()
	default:
		return c.network.String()
	}
}

type key struct{}

// With returns a context of the caller's requests. The caller must not be changed any more:
// the context keeps no copy, because it is made for each request.
func With(ctx context.Context, c *Caller) context.Context { return context.WithValue(ctx, key{}, c) }

// Of returns the caller that a request is from.
func Of(ctx context.Context) Caller {
	if c, ok := ctx.Value(key{}).(*Caller); ok {
		return *c
	}
	return Caller{}
}
