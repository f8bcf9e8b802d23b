package api

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"learninglog/internal/caller"
)

// lookBehindProxies finds the callers behind proxies that are trusted.
func (s *server) lookBehindProxies(next http.Handler) http.Handler {
	if len(s.TrustedProxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ip, ok := s.addressBehind(r); ok {
			r = r.WithContext(caller.With(r.Context(), new(caller.AtIP(ip))))
		}
		next.ServeHTTP(w, r)
	})
}

// addressBehind returns the address of whoever sent a request to the first proxy that is
// trusted. Each proxy adds the address that it sees to the right end of X-Forwarded-For, and
// anybody can write what is left of the last one that isn't a proxy's. If something within
// that isn't an address, the whole header tells nothing.
func (s *server) addressBehind(r *http.Request) (ip netip.Addr, ok bool) {
	if !s.isFromProxy(r) {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for _, hop := range slices.Backward(hops) {
		if ip, ok = parseHop(strings.TrimSpace(hop)); !ok || !s.isProxy(ip) {
			break
		}
	}
	return ip, ok
}

// isFromProxy reports whether a proxy that is trusted has connected. Whoever connects to a Unix
// socket has no address, and is one if any is named.
func (s *server) isFromProxy(r *http.Request) bool {
	if _, isSocket := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); isSocket {
		return true
	}
	connection, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && s.isProxy(connection.Addr())
}

func (s *server) isProxy(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(s.TrustedProxies, func(trusted netip.Prefix) bool { return trusted.Contains(ip) })
}

// parseHop reads an address, to which some proxies add the port.
func parseHop(text string) (netip.Addr, bool) {
	if with, err := netip.ParseAddrPort(text); err == nil {
		return with.Addr(), true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return ip, err == nil
}
