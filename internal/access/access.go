// Package access says who a request is from and what they may do. Machines have keys,
// which [Keys] stores and a [Keyring] knows by heart. People have [Sessions]. A [Gate]
// finds out whose request it is: an [Identity], which the context of the request carries.
package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"learninglog/internal/caller"
)

// Scope is something that a caller may do.
type Scope string

// The scopes.
const (
	// Open needs no identity at all.
	Open Scope = "open"
	// WriteLogs is to record logs, and to take them back.
	WriteLogs Scope = "logs:write"
	// ReadLogs is to read logs, and what is made of them.
	ReadLogs Scope = "logs:read"
	// Rebuilds is what operators do: to rebuild, verify and re-zone, and to read the
	// metrics and what was done by whom.
	Rebuilds Scope = "rebuilds"
	// ManageKeys is to create and revoke keys. Whoever may, may give themselves everything.
	ManageKeys Scope = "keys"
	// SeePage is to see the page of a learner, and its badges. Whoever has a share link may,
	// and may do nothing else. It can't be given to a key.
	SeePage Scope = "page"
)

// Scopes returns the scopes that keys can be given.
func Scopes() []Scope { return []Scope{WriteLogs, ReadLogs, Rebuilds, ManageKeys} }

// ofLearners are the scopes of whoever is limited to a learner.
func ofLearners() []Scope { return []Scope{WriteLogs, ReadLogs} }

// ParseScope returns the scope with a name. Its error says what a name must be.
func ParseScope(name string) (Scope, error) {
	if scope := Scope(name); slices.Contains(Scopes(), scope) {
		return scope, nil
	}
	return "", fmt.Errorf("must be of %s", JoinScopes(Scopes(), ", "))
}

// JoinScopes returns the names of scopes as one text.
func JoinScopes(scopes []Scope, separator string) string {
	names := make([]string, len(scopes))
	for i, scope := range scopes {
		names[i] = string(scope)
	}
	return strings.Join(names, separator)
}

// Identity is whoever a request is from, and what they may do.
type Identity struct {
	// Name is how records of what was done name them: "key 3 (backend)".
	Name string
	// Scopes are what they may do.
	Scopes []Scope
	// Learner is the only learner whose logs they may do that with, or nil for everybody's.
	Learner *uuid.UUID
	// Caller is whom fair shares are counted for.
	Caller caller.Caller
	// Pace limits the logs that they write, or is nil.
	Pace *rate.Limiter
}

// Everybody is who requests are from where nobody is asked: they may do everything.
func Everybody() *Identity { return &Identity{Name: "somebody", Scopes: Scopes()} }

// May reports whether they may do something. Nobody, which is nil, may do what is [Open].
func (i *Identity) May(needed Scope) bool {
	return needed == Open || i != nil && slices.Contains(i.Scopes, needed)
}

// Knows reports whether they may know that a learner exists.
func (i *Identity) Knows(learner uuid.UUID) bool {
	return i != nil && (i.Learner == nil || *i.Learner == learner)
}

var (
	// ErrUnknown means that a request has credentials that are worth nothing: made up,
	// expired or revoked. Which of these is nobody's business.
	ErrUnknown = errors.New("the key or the session is not known, has expired or was revoked")
	// ErrNotLookedUp means that nobody can tell just now whose a key is, because too many
	// that aren't known are being looked up.
	ErrNotLookedUp = errors.New("too many keys that aren't known are being looked up")
	// ErrNotFound means that there is no key with that id.
	ErrNotFound = errors.New("there is no key with this id")
	// ErrProviderAway means that nobody can tell just now who somebody is, because the
	// provider where people log in can't be asked.
	ErrProviderAway = errors.New("the login provider can't be asked")
)

// RefusedLogin is a login that came to nothing. It says why, for the person.
type RefusedLogin string

// Error returns why.
func (r RefusedLogin) Error() string { return string(r) }

type identityKey struct{}

// With returns a context of the identity's requests.
func With(ctx context.Context, i *Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}

// Of returns who a request is from, or nil for nobody who is known.
func Of(ctx context.Context) *Identity {
	i, _ := ctx.Value(identityKey{}).(*Identity)
	return i
}
