package login

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"

	"learninglog/internal/access"
)

// Claim is a claim and a value that it may have, alone or in a list.
type Claim struct{ Name, Value string }

// UnmarshalText reads "name=value".
func (c *Claim) UnmarshalText(text []byte) error {
	name, value, ok := strings.Cut(string(text), "=")
	if !ok || name == "" || value == "" {
		return errors.New("must be a claim and its value, such as groups=learninglog-operators")
	}
	c.Name, c.Value = name, value
	return nil
}

// isIn reports whether some claims have the claim with its value.
func (c Claim) isIn(claims map[string]any) bool {
	if c.Value == "" {
		return false
	}
	switch value := claims[c.Name].(type) {
	case string:
		return value == c.Value
	case []any:
		return slices.Contains(value, any(c.Value))
	default:
		return false
	}
}

// isOfLogout reports whether a token says that somebody was logged out, which a provider
// signs for the same audience.
func isOfLogout(token *oidc.IDToken) bool {
	var claims map[string]any
	return token.Claims(&claims) != nil || claims["events"] != nil
}

// person returns who a token says somebody is. It fails with an [access.RefusedLogin].
func (p *Provider) person(token *oidc.IDToken) (access.Person, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return access.Person{}, access.RefusedLogin("What the provider says of you can't be read.")
	}
	const longest = 255 // says the standard
	if token.Subject == "" || len(token.Subject) > longest {
		return access.Person{}, access.RefusedLogin("The provider doesn't say who you are.")
	}
	if p.config.Operators.isIn(claims) {
		return access.Person{Operator: true, Subject: token.Subject, Name: nameIn(claims)}, nil
	}
	id, err := p.userID(token, claims)
	return access.Person{UserID: id}, err
}

// nameIn returns what people call whoever has some claims.
func nameIn(claims map[string]any) string {
	for _, claim := range []string{"preferred_username", "email", "name", "sub"} {
		if name, ok := claims[claim].(string); ok && name != "" {
			return name
		}
	}
	return ""
}

// userID returns a learner's id. Few providers have UUIDs as subjects, so unless a claim is
// named, it is made from the issuer and the subject: the same each time, and nobody else's.
func (p *Provider) userID(token *oidc.IDToken, claims map[string]any) (uuid.UUID, error) {
	if p.config.UserClaim == "" {
		return uuid.NewSHA1(uuid.NewSHA1(uuid.NameSpaceURL, []byte(p.config.Issuer)), []byte(token.Subject)), nil
	}
	text, _ := claims[p.config.UserClaim].(string)
	id, err := uuid.Parse(text)
	if err != nil || len(text) != len(uuid.Nil.String()) {
		return uuid.Nil, access.RefusedLogin(fmt.Sprintf(
			"Your account has no user id: the provider would have to say it, a UUID, in the claim %s. Ask whoever runs this service.", p.config.UserClaim))
	}
	return id, nil
}
