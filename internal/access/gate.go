package access

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"learninglog/internal/caller"
)

// Gate finds out who requests are from: by their Authorization, or else by the session in
// their cookie. Begin with [NewGate].
type Gate struct {
	keys     *Keyring  // nil where keys are worth nothing
	tokens   Tokens    // nil where tokens are worth nothing
	sessions *Sessions // nil where there are none
	cookies  Cookies
	failures *failures
}

// Tokens knows whose tokens are that others have given out.
type Tokens interface {
	// Identify fails with [ErrUnknown], or with [ErrProviderAway].
	Identify(ctx context.Context, token string) (*Identity, error)
}

// NewGate returns a gate for whoever has a key of the keyring, one of the tokens, or a
// session. Any of these may be nil.
func NewGate(keys *Keyring, tokens Tokens, sessions *Sessions, cookies Cookies) *Gate {
	return &Gate{keys: keys, tokens: tokens, sessions: sessions, cookies: cookies, failures: newFailures()}
}

// Identify returns whose request it is, or nil if it says nothing of that. It fails with
// [ErrUnknown], with a [*TooManyFailuresError], or if nobody can tell just now.
//
// Whoever guesses locks nobody out: what is known by heart, tokens and sessions are looked
// at however many others at the same address were worth nothing.
func (g *Gate) Identify(r *http.Request) (*Identity, error) {
	found, err := g.find(r)
	if !errors.Is(err, ErrUnknown) {
		return found, err
	}
	who := caller.Of(r.Context())
	if err := g.failures.check(who); err != nil {
		return nil, err
	}
	g.failures.note(who)
	return nil, err
}

func (g *Gate) find(r *http.Request) (*Identity, error) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return g.bySession(r)
	}
	scheme, credentials, _ := strings.Cut(authorization, " ")
	credentials = strings.TrimSpace(credentials)
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return nil, ErrUnknown
	case IsKey(credentials):
		return g.byKey(r, credentials)
	case g.tokens != nil:
		return g.tokens.Identify(r.Context(), credentials)
	default:
		return nil, ErrUnknown
	}
}

// byKey asks the database about a key that isn't known by heart, unless others at the same
// address were worth nothing.
func (g *Gate) byKey(r *http.Request, key string) (*Identity, error) {
	if g.keys == nil {
		return nil, ErrUnknown
	}
	if known, err := g.keys.byHeart(key); err == nil {
		return known, nil
	}
	if err := g.failures.check(caller.Of(r.Context())); err != nil {
		return nil, err
	}
	return g.keys.Find(r.Context(), key)
}

func (g *Gate) bySession(r *http.Request) (*Identity, error) {
	if g.sessions == nil {
		return nil, nil //nolint:nilnil // nobody
	}
	secret := g.cookies.Get(r, SessionCookie)
	if secret == "" {
		return nil, nil //nolint:nilnil // nobody
	}
	if err := g.failures.checkSession(caller.Of(r.Context())); err != nil {
		return nil, err
	}
	return g.sessions.Find(r.Context(), secret)
}

// BeginSession begins a session of whoever has a key. It fails as Identify does.
func (g *Gate) BeginSession(ctx context.Context, key string) (Session, error) {
	who := caller.Of(ctx)
	if g.keys == nil {
		return Session{}, ErrUnknown
	}
	if _, err := g.keys.byHeart(key); err != nil {
		if err := g.failures.check(who); err != nil {
			return Session{}, err
		}
	}
	begun, err := g.sessions.BeginWithKey(ctx, key)
	if errors.Is(err, ErrUnknown) {
		g.failures.note(who)
	}
	return begun, err
}

// LoginPath is where people log in, or empty if they can't.
func (g *Gate) LoginPath() string {
	if g.sessions == nil {
		return ""
	}
	return "/login"
}
