package access

import (
	"errors"
	"net/http"
	"strings"

	"learninglog/internal/caller"
)

// Gate finds out who requests are from, by their Authorization. Begin with [NewGate].
type Gate struct {
	keys     *Keyring
	failures *failures
}

// NewGate returns a gate for whoever has a key of the keyring.
func NewGate(keys *Keyring) *Gate { return &Gate{keys: keys, failures: newFailures()} }

// Identify returns whose request it is, or nil if it says nothing of that. It fails with
// [ErrUnknown], with a [*TooManyFailuresError], or if nobody can tell just now.
func (g *Gate) Identify(r *http.Request) (*Identity, error) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return nil, nil //nolint:nilnil // nobody
	}
	scheme, credentials, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		credentials = "" // which are worth nothing
	}
	credentials = strings.TrimSpace(credentials)
	if known, err := g.keys.byHeart(credentials); err == nil {
		return known, nil // whoever else fails at this address
	}
	who := caller.Of(r.Context())
	if err := g.failures.check(who); err != nil {
		return nil, err
	}
	found, err := g.keys.Find(r.Context(), credentials)
	if errors.Is(err, ErrUnknown) {
		g.failures.note(who)
	}
	return found, err
}

// LoginPath is where people log in, or empty if they can't.
func (g *Gate) LoginPath() string { return "" }
