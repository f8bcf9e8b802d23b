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
	// LoginTurn bounds how many log in elsewhere at a time. Nil doesn't.
	LoginTurn Turn

	keys     *Keyring  // nil where keys are worth nothing
	tokens   Tokens    // nil where tokens are worth nothing
	sessions *Sessions // nil where there are none
	cookies  Cookies
	failures *failures
	observer Observer
}

// Tokens knows whose tokens are that others have given out.
type Tokens interface {
	// Identify fails with [ErrUnknown], or with [ErrProviderAway].
	Identify(ctx context.Context, token string) (*Identity, error)
}

// NewGate returns a gate for whoever has a key of the keyring, one of the tokens, or a
// session. Any of these may be nil. The observer hears of everybody else.
func NewGate(keys *Keyring, tokens Tokens, sessions *Sessions, cookies Cookies, observer Observer) *Gate {
	return &Gate{
		keys: keys, tokens: tokens, sessions: sessions, cookies: cookies, failures: newFailures(), observer: observer,
	}
}

// Identify returns whose request it is, or nil if it says nothing of that. It fails with
// [ErrUnknown], with a [*TooManyFailuresError], or if nobody can tell just now.
//
// Whoever guesses locks nobody out: what is known by heart, tokens, and sessions that were
// good before are looked at however many others at the same address were worth nothing. And
// they don't count: they end by themselves, and nobody needs to be asked about them.
func (g *Gate) Identify(r *http.Request) (*Identity, error) {
	found, err := g.identify(r)
	g.observe(err)
	return found, err
}

// observe tells the observer of an error that means that credentials are worth nothing.
func (g *Gate) observe(err error) {
	if why := reasonOf(err); why != "" {
		g.observer.Failed(why)
	}
}

func (g *Gate) identify(r *http.Request) (*Identity, error) {
	who, isGuess := caller.Of(r.Context()), false
	found, err := g.find(r, func() error {
		isGuess = true
		return g.failures.check(who)
	}, func(session string) error {
		isGuess = !g.failures.wasGood(session)
		return g.failures.checkSession(who, session)
	})
	if isGuess && errors.Is(err, ErrUnknown) {
		g.failures.note(who)
	}
	return found, err
}

// IsStillKnown fails with [ErrUnknown] if whoever a request was found to be from is known no
// longer. That is no failure of its address.
func (g *Gate) IsStillKnown(r *http.Request) error {
	found, err := g.find(r, func() error { return ErrUnknown }, func(string) error { return nil })
	if err == nil && found == nil {
		return ErrUnknown
	}
	return err
}

// find asks the database about a key that isn't known by heart only if mayAsk returns nil,
// and about a session only if mayAskOf does.
func (g *Gate) find(r *http.Request, mayAsk func() error, mayAskOf func(session string) error) (*Identity, error) {
	authorization := r.Header.Get("Authorization")
	if len(r.Header.Values("Authorization")) > 1 {
		return nil, failure{Malformed} // whatever is between might have looked at another one than this
	}
	if authorization == "" {
		return g.bySession(r, mayAskOf)
	}
	scheme, credentials, _ := strings.Cut(authorization, " ")
	credentials = strings.TrimSpace(credentials)
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return nil, failure{Malformed}
	case IsKey(credentials):
		return g.byKey(r, credentials, mayAsk)
	case g.tokens != nil:
		found, err := g.tokens.Identify(r.Context(), credentials)
		if errors.Is(err, ErrUnknown) {
			err = failure{WrongToken}
		}
		return found, err
	default:
		return nil, failure{Malformed}
	}
}

func (g *Gate) byKey(r *http.Request, key string, mayAsk func() error) (*Identity, error) {
	if g.keys == nil {
		return nil, failure{Unknown}
	}
	if known, err := g.keys.byHeart(key); err == nil {
		return known, nil
	}
	if err := mayAsk(); err != nil {
		return nil, err
	}
	return g.keys.Find(r.Context(), key)
}

func (g *Gate) bySession(r *http.Request, mayAskOf func(session string) error) (*Identity, error) {
	if g.sessions == nil {
		return nil, nil //nolint:nilnil // nobody
	}
	session := g.cookies.Get(r, SessionCookie)
	if session == "" {
		return nil, nil //nolint:nilnil // nobody
	}
	if err := mayAskOf(session); err != nil {
		return nil, err
	}
	found, err := g.sessions.Find(r.Context(), session)
	if err == nil {
		g.failures.remember(session)
	}
	return found, err
}

// BeginSession begins a session of whoever has a key. It fails as Identify does.
func (g *Gate) BeginSession(ctx context.Context, key string) (Session, error) {
	begun, err := g.beginSession(ctx, key)
	g.observe(err)
	return begun, err
}

func (g *Gate) beginSession(ctx context.Context, key string) (Session, error) {
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

// Forget makes a browser forget the session that it has sent, which is worth nothing.
func (g *Gate) Forget(w http.ResponseWriter, r *http.Request) {
	if g.sessions != nil && r.Header.Get("Authorization") == "" && g.cookies.Get(r, SessionCookie) != "" {
		g.cookies.Set(w, SessionCookie, "", 0)
	}
}

// TryLogin lets somebody log in elsewhere. It fails as that does, or with a
// [*TooManyFailuresError] if too much from their address was worth nothing. What fails with
// [ErrUnknown] counts to that.
func (g *Gate) TryLogin(ctx context.Context, logIn func() error) error {
	end, err := g.LoginTurn.wait(ctx)
	if err != nil {
		return err
	}
	defer end()
	who := caller.Of(ctx)
	if err := g.failures.check(who); err != nil { // by now, earlier ones of theirs have counted
		g.observe(err)
		return err
	}
	err = logIn()
	if errors.Is(err, ErrUnknown) {
		g.failures.note(who)
	}
	return err
}

// LoginPath is where people log in, or empty if they can't.
func (g *Gate) LoginPath() string {
	if g.sessions == nil {
		return ""
	}
	return "/login"
}
