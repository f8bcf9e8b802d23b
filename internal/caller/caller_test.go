package caller_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/caller"
)

func TestAnAddressIsACaller(t *testing.T) {
	t.Parallel()
	at := func(ip string, port int) caller.Caller {
		return caller.At(&net.TCPAddr{IP: net.ParseIP(ip), Port: port})
	}
	assert.Equal(t, at("192.0.2.1", 1), at("192.0.2.1", 2), "whatever its connection")
	assert.NotEqual(t, at("192.0.2.1", 1), at("192.0.2.2", 1))
	assert.Equal(t, at("192.0.2.1", 1), at("::ffff:192.0.2.1", 1), "an IPv4 address may be written as an IPv6 one")
	assert.Equal(t, at("2001:db8::1", 1), at("2001:db8::ffff:1", 1), "of one network")
	assert.NotEqual(t, at("2001:db8::1", 1), at("2001:db8:0:1::1", 1), "of two networks")
	assert.Equal(t, caller.Caller{}, caller.At(&net.UnixAddr{Name: "/run/socket"}))

	assert.Equal(t, "192.0.2.1", at("192.0.2.1", 1).String())
	assert.Equal(t, "2001:db8::/64", at("2001:db8::1", 1).String())
	assert.Equal(t, "local", caller.Caller{}.String())
}

func TestAContextHasItsCaller(t *testing.T) {
	t.Parallel()
	somebody := caller.At(&net.TCPAddr{IP: net.ParseIP("192.0.2.1")})
	assert.Equal(t, somebody, caller.Of(caller.With(t.Context(), &somebody)))
	assert.Equal(t, caller.Caller{}, caller.Of(t.Context()))
}
