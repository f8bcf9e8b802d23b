package access

import (
	"net/http"
	"strings"
)

// Gate finds out who requests are from, by their Authorization.
type Gate struct{ Keys *Keyring }

// Identify returns whose request it is, or nil if it says nothing of that. It fails with
// [ErrUnknown], or if nobody can tell just now.
func (g *Gate) Identify(r *http.Request) (*Identity, error) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return nil, nil //nolint:nilnil // nobody
	}
	scheme, credentials, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, ErrUnknown
	}
	return g.Keys.Find(r.Context(), strings.TrimSpace(credentials))
}

// LoginPath is where people log in, or empty if they can't.
func (g *Gate) LoginPath() string { return "" }
