package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"learninglog/internal/access"
	"learninglog/internal/api"
	"learninglog/internal/audit"
	"learninglog/internal/dashboard"
	"learninglog/internal/metrics"
)

// authFlags say who may do what.
type authFlags struct {
	loginFlags

	Auth []authMode `env:"LEARNINGLOG_AUTH" placeholder:"HOW" help:"How callers say who they are: keys (see the command key), oidc if people log in at a provider of OpenID Connect, both, joined by a comma, or none if everybody who reaches the service may do everything, as behind a proxy that asks them. Without it, the service can only be reached from this machine."`
}

// authMode is a way in which callers say who they are.
type authMode string

const (
	withKeys  authMode = "keys"
	withOIDC  authMode = "oidc"
	openToAll authMode = "none"
)

// UnmarshalText is called by kong.
func (m *authMode) UnmarshalText(text []byte) error {
	*m = authMode(text)
	if modes := []authMode{withKeys, withOIDC, openToAll}; !slices.Contains(modes, *m) {
		return fmt.Errorf("must be keys, oidc or none, not %.100q", text)
	}
	return nil
}

// check returns an error if others can reach the address and it isn't said what they may do.
func (f *authFlags) check(address string) error {
	switch {
	case f.accepts(openToAll) && len(f.Auth) > 1:
		return errors.New("--auth=none can't be combined with others")
	case len(f.Auth) == 0 && !isLoopback(address):
		return fmt.Errorf("others can reach --addr %s, so say who may do what: --auth=keys (then see learninglog key create --help), "+
			"--auth=oidc if people log in elsewhere, or --auth=none if a proxy before it asks them", address)
	default:
		return f.loginFlags.check(f.accepts(withOIDC), address)
	}
}

// accepts reports whether callers may say so who they are.
func (f *authFlags) accepts(mode authMode) bool { return slices.Contains(f.Auth, mode) }

// isOpen reports whether everybody may do everything.
func (f *authFlags) isOpen() bool { return len(f.Auth) == 0 || f.accepts(openToAll) }

// isForOthers reports whether people come from other machines, as far as the flags tell: also
// by a proxy on this one, which has a name, or connects to a socket.
func (c *serveCommand) isForOthers() bool {
	return !isLoopback(c.Addr) || isSocket(c.Addr) || len(c.AllowedHosts) > 0
}

// startAccess reads who may do what, and follows it.
func (s *service) startAccess(ctx context.Context) error {
	if s.flags.isOpen() {
		return nil
	}
	var keyring *access.Keyring
	if s.flags.accepts(withKeys) {
		var err error
		if keyring, err = s.startKeys(ctx); err != nil {
			return err
		}
	}
	cookies := access.Cookies{Secure: s.flags.isSecure()}
	if !cookies.Secure && s.flags.isForOthers() {
		s.logger.WarnContext(ctx, "browsers would send their cookies over http, too: put a proxy with TLS before the service, and say where people reach it",
			"say", "--public-url=https://learn.example.com")
	}
	failures := metrics.NewAuthentication(s.metrics)
	sessions := access.NewSessions(s.database.pool, keyring, s.flags.OIDCIssuer, s.logger)
	sessions.Turn = api.SessionTurn(int(s.database.pool.Config().MaxConns))
	s.keepRunning(ctx, "sessions", sessions.Run)
	s.startShareLinks(ctx, failures, sessions.Turn)
	s.login = &dashboard.Login{Sessions: sessions, Cookies: cookies}
	var tokens access.Tokens
	if s.flags.accepts(withOIDC) {
		provider, err := s.newProvider()
		if err != nil {
			return err
		}
		s.keepRunning(ctx, "provider's keys", provider.Run)
		tokens, s.login.Provider = provider, observedLogins{provider, failures}
	}
	gate := access.NewGate(keyring, tokens, sessions, cookies, failures)
	gate.LoginTurn = api.LoginTurn()
	s.access, s.login.Try = gate, gate.TryLogin
	if keyring != nil {
		s.login.BeginWithKey = gate.BeginSession
		s.keys = audit.Keys{KeyStore: keyring, Trail: s.trail}
	}
	return nil
}

// startShareLinks lets learners show their pages to others.
func (s *service) startShareLinks(ctx context.Context, failures access.Observer, turn access.Turn) {
	links := access.NewShareLinks(s.database.pool, failures, s.logger)
	links.Turn = turn
	s.keepRunning(ctx, "share links", links.Run)
	s.shareLinks = &audit.ShareLinks{ShareLinks: links, Trail: s.trail}
}

// startKeys reads all keys, and follows them.
func (s *service) startKeys(ctx context.Context) (*access.Keyring, error) {
	keyring := access.NewKeyring(s.database.pool, s.flags.LogsPerSecond, s.logger)
	if err := keyring.Load(ctx); err != nil {
		return nil, err
	}
	s.keepRunning(ctx, "keys", keyring.Run)
	if keyring.IsEmpty() {
		s.logger.WarnContext(ctx, "nobody has a key yet", "create", s.flags.paste("key", "create", "--name", "backend", "--scopes", "logs:write,logs:read"))
	}
	return keyring, nil
}
