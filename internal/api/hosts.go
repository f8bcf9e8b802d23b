package api

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"learninglog/internal/problem"
)

// CheckHost returns an error that says what a name in Config.AllowedHosts must be.
func CheckHost(name string) error {
	below := strings.TrimPrefix(strings.TrimPrefix(name, "*"), ".")
	if name != "*" && (below == "" || strings.ContainsAny(below, "/:@* ") || strings.HasPrefix(name, "*") && !strings.HasPrefix(name, "*.")) {
		return errors.New("must be a host name without scheme and port, such as learn.example.com, *.example.com for all below it, or * for any")
	}
	return nil
}

// refuseOtherHosts refuses requests for a host name that isn't known to be this service's.
// A page of another site may point its own name at an address here (DNS rebinding). To a
// browser, it comes from here then. An address can't be pointed anywhere else.
func (s *server) refuseOtherHosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isHealth := r.URL.Path == HealthPath || r.URL.Path == ReadyPath // which tell nobody anything
		if !isHealth && !isAllowed(r.Host, s.AllowedHosts) {
			s.hosts.Do(func() {
				s.Logger.WarnContext(r.Context(), "a request for a host name that isn't allowed was refused: see --allowed-hosts",
					slog.String("host", short(r.Host)), problem.LogID(r.Context()))
			})
			s.refuse(w, r, problem.OtherHost.New("The Host is "+short(r.Host)+": ask for an address or for localhost, or let the operator of the service "+
				"allow this name by --allowed-hosts."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isAllowed(host string, names []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" { // HTTP/1.0, which no browser speaks
		return true
	}
	if address, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return address.Zone() == ""
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(names, func(name string) bool {
			name = strings.TrimSuffix(strings.ToLower(name), ".")
			below, ok := strings.CutPrefix(name, "*")
			return host == name || ok && strings.HasSuffix(host, below)
		})
}
