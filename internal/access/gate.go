package access

import (
	"context"
	"net/http"
	"strings"
)

// Gate finds out who requests are from: by their Authorization, or else by the session in
// their cookie.
type Gate struct {
	// Keys are nil where keys are worth nothing.
	Keys     *Keyring
	Sessions *Sessions
	Cookies  Cookies
	// Tokens are nil where tokens are worth nothing.
	Tokens Tokens
}

// Tokens knows whose tokens are that others have given out.
type Tokens interface {
	// Identify fails with [ErrUnknown], or with [ErrProviderAway].
	Identify(ctx context.Context, token string) (*Identity, error)
}

// Identify returns whose request it is, or nil if it says nothing of that. It fails with
// [ErrUnknown], or if nobody can tell just now.
func (g *Gate) Identify(r *http.Request) (*Identity, error) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return g.bySession(r)
	}
	scheme, credentials, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, ErrUnknown
	}
	credentials = strings.TrimSpace(credentials)
	switch {
	case g.Keys != nil && (g.Tokens == nil || IsKey(credentials)):
		return g.Keys.Find(r.Context(), credentials)
	case g.Tokens != nil && !IsKey(credentials):
		return g.Tokens.Identify(r.Context(), credentials)
	default:
		return nil, ErrUnknown
	}
}

func (g *Gate) bySession(r *http.Request) (*Identity, error) {
	secret := g.Cookies.Get(r, SessionCookie)
	if secret == "" {
		return nil, nil //nolint:nilnil // nobody
	}
	return g.Sessions.Find(r.Context(), secret)
}

// LoginPath is where people log in.
func (g *Gate) LoginPath() string { return "/login" }
