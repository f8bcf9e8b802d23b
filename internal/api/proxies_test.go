package api

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/caller"
)

// See https://adam-p.ca/blog/2022/03/x-forwarded-for/.
func TestACallerBehindProxies(t *testing.T) {
	t.Parallel()
	s := &server{Config: Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32"),
	}}}
	const proxy, elsewhere = "10.1.2.3", "198.51.100.1"
	for name, test := range map[string]struct {
		connection string
		header     []string
		want       string
	}{
		"no header":                       {proxy, nil, proxy},
		"a client":                        {proxy, []string{"203.0.113.5"}, "203.0.113.5"},
		"a client that isn't a proxy":     {elsewhere, []string{"203.0.113.5"}, elsewhere},
		"what a client made up":           {proxy, []string{"203.0.113.99, 203.0.113.5"}, "203.0.113.5"},
		"a made-up proxy":                 {proxy, []string{"203.0.113.99, 10.0.0.1, 203.0.113.5"}, "203.0.113.5"},
		"several proxies":                 {proxy, []string{"203.0.113.99, 203.0.113.5, 192.0.2.7,10.0.0.9"}, "203.0.113.5"},
		"several headers":                 {proxy, []string{"203.0.113.99", "203.0.113.5", "10.0.0.9"}, "203.0.113.5"},
		"proxies alone":                   {proxy, []string{"10.0.0.8, 10.0.0.9"}, "10.0.0.8"},
		"what is no address, at the end":  {proxy, []string{"203.0.113.5, unknown"}, proxy},
		"what is no address, before":      {proxy, []string{"203.0.113.99, nonsense, 10.0.0.9"}, proxy},
		"what is no address, made up":     {proxy, []string{"nonsense, 203.0.113.5"}, "203.0.113.5"},
		"nothing after a comma":           {proxy, []string{"203.0.113.5,"}, proxy},
		"an empty header":                 {proxy, []string{""}, proxy},
		"a very long one":                 {proxy, []string{strings.Repeat("x,", 5000) + "203.0.113.5"}, "203.0.113.5"},
		"a port":                          {proxy, []string{"203.0.113.5:1234"}, "203.0.113.5"},
		"IPv6":                            {proxy, []string{"2001:470::1"}, "2001:470::/64"},
		"IPv6 with a port":                {proxy, []string{"[2001:470::1]:1234"}, "2001:470::/64"},
		"IPv6 in brackets":                {proxy, []string{"[2001:470::1]"}, "2001:470::/64"},
		"IPv6 with a zone":                {proxy, []string{"fe80::1%eth0"}, "fe80::/64"},
		"a zone for a proxy":              {proxy, []string{"203.0.113.5, 2001:db8::1%eth0"}, "203.0.113.5"},
		"a proxy by IPv6":                 {"2001:db8::1", []string{"203.0.113.5"}, "203.0.113.5"},
		"IPv4 that is written as IPv6":    {"::ffff:10.1.2.3", []string{"::ffff:203.0.113.5, ::ffff:192.0.2.7"}, "203.0.113.5"},
		"IPv4 with a leading zero":        {proxy, []string{"203.0.113.05"}, proxy},
		"a Unix socket":                   {"", []string{"203.0.113.99, 203.0.113.5, 10.0.0.9"}, "203.0.113.5"},
		"a Unix socket, without a header": {"", nil, ""},
	} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		own := caller.Caller{}
		if test.connection == "" {
			request.RemoteAddr = "@"
			request = request.WithContext(context.WithValue(request.Context(), http.LocalAddrContextKey, &net.UnixAddr{Name: "/run/socket"}))
		} else {
			ip := netip.MustParseAddr(test.connection)
			request.RemoteAddr = netip.AddrPortFrom(ip, 1234).String()
			own = caller.AtIP(ip)
		}
		want := test.want
		if want == "" {
			want = caller.Caller{}.String()
		} else if !strings.Contains(want, "/") {
			want = caller.AtIP(netip.MustParseAddr(want)).String()
		}
		if test.header != nil {
			request.Header["X-Forwarded-For"] = test.header
		}
		request = request.WithContext(caller.With(request.Context(), &own))
		var got caller.Caller
		s.lookBehindProxies(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			got = caller.Of(r.Context())
		})).ServeHTTP(httptest.NewRecorder(), request)
		assert.Equal(t, want, got.String(), name)
	}
}

func TestWithoutTrustedProxiesTheHeaderTellsNothing(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("X-Forwarded-For", "203.0.113.5")
	request = request.WithContext(from(request.Context(), 1))
	var got caller.Caller
	new(server).lookBehindProxies(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = caller.Of(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), request)
	assert.Equal(t, "192.0.2.1", got.String())
}
