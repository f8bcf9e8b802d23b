package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"time"

	"learninglog/internal/api"
	"learninglog/internal/timerange"
	"learninglog/internal/zones"
)

// These types of flags have errors that say what a value must be. The libraries that
// parse the values only say what is wrong.

// logLevel is a level of log/slog.
type logLevel struct{ level slog.Level }

// UnmarshalText is called by kong.
func (l *logLevel) UnmarshalText(text []byte) error {
	if err := l.level.UnmarshalText(text); err != nil {
		return fmt.Errorf("must be debug, info, warn or error, not %.100q", text)
	}
	return nil
}

// instant is an RFC 3339 date-time.
type instant struct{ at time.Time }

// UnmarshalText is called by kong.
func (i *instant) UnmarshalText(text []byte) (err error) {
	if i.at, err = timerange.ParseDateTime(string(text)); err != nil {
		return fmt.Errorf("must be an RFC 3339 date-time with its offset, such as 2000-01-01T00:00:00Z, not %.100q", text)
	}
	i.at = i.at.UTC()
	return nil
}

// timeZone is a time zone, by its name in the IANA database.
type timeZone struct{ location *time.Location }

// UnmarshalText is called by kong.
func (z *timeZone) UnmarshalText(text []byte) error {
	known, err := zones.Open()
	if err != nil {
		return err
	}
	if z.location, err = known.Load(string(text)); err != nil {
		return fmt.Errorf("%w, not %.100q", err, text)
	}
	return nil
}

// network is a range of addresses, or one.
type network struct{ prefix netip.Prefix }

// UnmarshalText is called by kong.
func (n *network) UnmarshalText(text []byte) (err error) {
	if n.prefix, err = netip.ParsePrefix(string(text)); err != nil {
		var only netip.Addr
		if only, err = netip.ParseAddr(string(text)); err == nil {
			n.prefix, err = only.WithZone("").Prefix(only.BitLen())
		}
	}
	if err != nil || n.prefix.Addr().Is4In6() {
		return fmt.Errorf("must be an address or a network, such as 192.0.2.7 or 10.0.0.0/8, not %.100q", text)
	}
	return nil
}

// serviceURL is the URL of a service.
type serviceURL struct{ url *url.URL }

// UnmarshalText is called by kong. Its error doesn't repeat the URL, which may
// contain a password.
func (u *serviceURL) UnmarshalText(text []byte) (err error) {
	u.url, err = url.Parse(string(text))
	if err != nil || u.url.Scheme != "http" && u.url.Scheme != "https" || u.url.Host == "" {
		return errors.New("must be that of the service, such as http://127.0.0.1:8080")
	}
	return nil
}

// checkOrigins returns an error if the value of --allowed-origins is wrong.
func checkOrigins(origins []string) error {
	for _, origin := range origins {
		if err := api.CheckOrigin(origin); err != nil {
			return fmt.Errorf("--allowed-origins %w, not %.100q", err, origin)
		}
	}
	return nil
}

// checkHosts returns an error if the value of --allowed-hosts is wrong.
func checkHosts(names []string) error {
	for _, name := range names {
		if err := api.CheckHost(name); err != nil {
			return fmt.Errorf("--allowed-hosts %w, not %.100q", err, name)
		}
	}
	return nil
}
