// Package login lets people log in at a provider of OpenID Connect: [New] makes one of its
// address. What is needed of the provider is asked for when somebody needs it, so the service
// starts and goes on while that is down.
package login

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"learninglog/internal/access"
)

const (
	// patience is how long the provider may take to answer.
	patience = 5 * time.Second
	// freshFor is for how long the provider is believed to be up after it has answered.
	// People who were sent to one that is down would see an error of their browser.
	freshFor = 2 * time.Second
	// askForKeysEvery bounds how often others can make the service ask for the keys.
	askForKeysEvery = 10 * time.Second
	// leeway is by how much the clocks of provider and service may differ when tokens expire.
	leeway = 30 * time.Second
)

// Config says where people log in, and who they are then. Every field must be set, unless
// it says otherwise.
type Config struct {
	// Issuer is the provider's address, exactly as its tokens have it.
	Issuer string
	// ClientID is by which the provider knows this service. Secret may be empty.
	ClientID, Secret string
	// RedirectURL is where the provider leads people back.
	RedirectURL string
	// Scopes are what claims the provider is asked for.
	Scopes []string
	// UserClaim is the claim that has a learner's user id. Empty is none: then the id is made
	// from the issuer and the subject.
	UserClaim string
	// Operators is the claim, and its value, that operators have. The zero value is nobody.
	Operators Claim
	// Audience is that of the tokens that the API accepts. Empty is ClientID.
	Audience string
	Logger   *slog.Logger
}

// Provider is a provider of OpenID Connect.
type Provider struct {
	config Config
	// exchanging has a client for codes, discovering and verifying have sparing ones for
	// what others can make the service ask.
	exchanging, discovering, verifying *http.Client

	asking singleflight.Group
	known  atomic.Pointer[discovery]
	// renewalFailed says that the keys couldn't be read again the last time.
	renewalFailed bool
}

// discovery is what a provider says of itself.
type discovery struct {
	at       time.Time
	endpoint oauth2.Endpoint
	keysURL  string
	keys     *oidc.RemoteKeySet
}

// New returns a provider.
func New(config Config) *Provider {
	return &Provider{
		config:      config,
		exchanging:  &http.Client{Timeout: patience},
		discovering: &http.Client{Timeout: patience, Transport: newSparing(freshFor / 2)},
		verifying:   &http.Client{Timeout: patience, Transport: newSparing(askForKeysEvery)},
	}
}

// Run warns if the provider can't be asked, because nobody may log in for days, and renews
// its keys, now and then, until ctx ends.
func (p *Provider) Run(ctx context.Context) {
	if _, err := p.discover(ctx, anyAge); err != nil && ctx.Err() == nil {
		p.config.Logger.WarnContext(ctx, "nobody can log in yet; each login tries again", slog.Any("error", err))
	}
	renewing := time.NewTicker(renewKeysEvery)
	defer renewing.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-renewing.C:
			p.renewKeys(ctx)
		}
	}
}

// Host is what people know the provider by.
func (p *Provider) Host() string {
	issuer, err := url.Parse(p.config.Issuer)
	if err != nil {
		return p.config.Issuer
	}
	return issuer.Host
}

// attempt is what a browser keeps while a person logs in elsewhere. It is random, and what
// comes back is compared with it.
type attempt struct{ state, nonce, verifier, next string }

func (a attempt) String() string {
	return url.Values{"state": {a.state}, "nonce": {a.nonce}, "verifier": {a.verifier}, "next": {a.next}}.Encode()
}

func parseAttempt(text string) (a attempt, ok bool) {
	kept, err := url.ParseQuery(text)
	a = attempt{kept.Get("state"), kept.Get("nonce"), kept.Get("verifier"), kept.Get("next")}
	return a, err == nil && a.state != "" && a.nonce != "" && a.verifier != ""
}

// Start returns where a person logs in, to come back to a page of this site in the end, and
// what their browser is to keep until then. It fails with [access.ErrProviderAway].
func (p *Provider) Start(ctx context.Context, next string) (address, kept string, err error) {
	known, err := p.discover(ctx, freshFor)
	if err != nil {
		return "", "", err
	}
	a := attempt{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), next: next}
	address = p.oauth(known).AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier))
	return address, a.String(), nil
}

// Finish returns who has logged in, and to which page they come back, from what the browser
// has kept and what the provider has sent along. It fails with an [access.RefusedLogin], which
// is an [access.ErrUnknown] too if the provider had to be asked, or with
// [access.ErrProviderAway].
func (p *Provider) Finish(ctx context.Context, kept string, sent url.Values) (person access.Person, next string, err error) {
	a, ok := parseAttempt(kept)
	if !ok || subtle.ConstantTimeCompare([]byte(a.state), []byte(sent.Get("state"))) == 0 {
		return access.Person{}, "", access.RefusedLogin("This login took more than ten minutes, or was begun in another window. Begin it again.")
	}
	if reason := sent.Get("error"); reason != "" {
		p.config.Logger.InfoContext(ctx, "the provider let somebody not log in", slog.String("error", short(reason)))
		return access.Person{}, "", access.RefusedLogin("The provider where you wanted to log in didn't let you, or you went back.")
	}
	token, err := p.exchange(ctx, sent.Get("code"), a)
	if refused, ok := errors.AsType[access.RefusedLogin](err); ok {
		err = fmt.Errorf("%w: %w", access.ErrUnknown, refused)
	}
	if err != nil {
		return access.Person{}, "", err
	}
	person, err = p.person(token)
	return person, a.next, err
}

// exchange returns the token for which the provider takes a code.
func (p *Provider) exchange(ctx context.Context, code string, a attempt) (*oidc.IDToken, error) {
	known, err := p.discover(ctx, anyAge)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	given, err := p.oauth(known).Exchange(oidc.ClientContext(ctx, p.exchanging), code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		return nil, p.refused(ctx, err)
	}
	text, _ := given.Extra("id_token").(string)
	token, err := p.verify(ctx, text, p.config.ClientID)
	if err == nil {
		err = p.checkParty(token)
	}
	if err == nil && subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(a.nonce)) == 0 {
		err = errors.New("the token has another nonce")
	}
	if err != nil && !errors.Is(err, access.ErrProviderAway) {
		p.config.Logger.WarnContext(ctx, "the provider gave a token that is worth nothing", slog.Any("error", err))
		err = access.RefusedLogin("What the provider says of you can't be verified. The reason is in the service's log.")
	}
	return token, err
}

// refused returns why the provider gave no token.
func (p *Provider) refused(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok || refused.Response != nil && refused.Response.StatusCode >= http.StatusInternalServerError:
		return fmt.Errorf("%w: exchanging a code: %w", access.ErrProviderAway, withoutBody(err))
	case refused.ErrorCode == "invalid_grant":
		return access.RefusedLogin("The provider says that this login is over. Begin it again.")
	default: // a mistake of whoever configured the service
		p.config.Logger.ErrorContext(ctx, "the provider refuses this service: check --oidc-client-id, its secret and --public-url",
			slog.String("error", short(refused.ErrorCode)))
		return access.RefusedLogin("The provider refuses this service. The reason is in the service's log.")
	}
}

// withoutBody leaves out what a provider has answered, which may be anything.
func withoutBody(err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fmt.Errorf("status %d", refused.Response.StatusCode)
	}
	return err
}

// Identify returns whose token it is that the provider gave to some client, for this service.
// It fails with [access.ErrUnknown], with [access.ErrProviderAway], or because ctx ends.
func (p *Provider) Identify(ctx context.Context, text string) (*access.Identity, error) {
	audience := p.config.Audience
	if audience == "" {
		audience = p.config.ClientID
	}
	token, err := p.verify(ctx, text, audience)
	if err == nil && p.config.Audience == "" { // it is an ID token of this very client
		err = p.checkParty(token)
	}
	if err == nil && isOfLogout(token) {
		err = access.ErrUnknown
	}
	var person access.Person
	if err == nil {
		person, err = p.person(token)
	}
	switch {
	case err == nil:
		return person.Identity(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, access.ErrProviderAway):
		return nil, err
	default:
		return nil, access.ErrUnknown
	}
}

// verify returns a token if the provider has signed it for an audience, and it hasn't
// expired. It fails with [access.ErrProviderAway] if nobody can tell.
func (p *Provider) verify(ctx context.Context, text, audience string) (*oidc.IDToken, error) {
	known, err := p.discover(ctx, anyAge)
	if err != nil {
		return nil, err
	}
	keys := &judgedBy{keys: known.keys}
	token, err := oidc.NewVerifier(p.config.Issuer, keys, &oidc.Config{
		ClientID:             audience,
		SupportedSigningAlgs: algorithms(),
		Now:                  func() time.Time { return time.Now().Add(-leeway) },
	}).Verify(ctx, text)
	if keys.unread != nil {
		return nil, fmt.Errorf("%w: %w", access.ErrProviderAway, keys.unread)
	}
	return token, err
}

// algorithms are those of signatures that need the provider's private key. Whoever knows the
// public one can sign with any other.
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512,
		oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
	}
}

// checkParty returns an error if a token was given to another client.
func (p *Provider) checkParty(token *oidc.IDToken) error {
	var claims struct {
		Party string `json:"azp"`
	}
	if err := token.Claims(&claims); err != nil {
		return fmt.Errorf("reading the claim azp: %w", err)
	}
	if claims.Party != "" && claims.Party != p.config.ClientID || claims.Party == "" && len(token.Audience) > 1 {
		return errors.New("the token was given to another client")
	}
	return nil
}

// oauth returns what this service is to the provider.
func (p *Provider) oauth(known *discovery) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.config.ClientID, ClientSecret: p.config.Secret, Endpoint: known.endpoint,
		RedirectURL: p.config.RedirectURL, Scopes: p.config.Scopes,
	}
}

// anyAge is for whatever the provider has said, however long ago.
const anyAge = time.Duration(1<<63 - 1)

// discover returns what the provider says of itself, not longer ago than an age. It fails
// with [access.ErrProviderAway].
func (p *Provider) discover(ctx context.Context, age time.Duration) (*discovery, error) {
	if known := p.known.Load(); known != nil && time.Since(known.at) < age {
		return known, nil
	}
	asked := p.asking.DoChan("", func() (any, error) { return p.ask(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case answer := <-asked:
		if answer.Err != nil {
			return nil, fmt.Errorf("%w: %w", access.ErrProviderAway, answer.Err)
		}
		return p.known.Load(), nil
	}
}

// ask asks the provider, and remembers what it says.
func (p *Provider) ask(ctx context.Context) (*discovery, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said, err := oidc.NewProvider(oidc.ClientContext(ctx, p.discovering), p.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", p.config.Issuer, err)
	}
	var more struct {
		KeysURL string   `json:"jwks_uri"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := said.Claims(&more); err != nil {
		return nil, fmt.Errorf("discovering %s: %w", p.config.Issuer, err)
	}
	known := &discovery{at: time.Now(), endpoint: said.Endpoint(), keysURL: more.KeysURL}
	known.endpoint.AuthStyle = p.authStyle(more.Methods)
	if before := p.known.Load(); before != nil && before.keysURL == known.keysURL {
		known.keys = before.keys // which it has read
	} else {
		known.keys = oidc.NewRemoteKeySet(oidc.ClientContext(ctx, p.verifying), known.keysURL)
	}
	p.known.Store(known)
	return known, nil
}

// authStyle returns how this service says who it is to a provider that knows some methods.
// Otherwise each code would be sent twice if the first try fails.
func (p *Provider) authStyle(methods []string) oauth2.AuthStyle {
	const basic, post = "client_secret_basic", "client_secret_post"
	onlyPost := slices.Contains(methods, post) && !slices.Contains(methods, basic)
	if p.config.Secret == "" || onlyPost {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader // which is so where nothing is said, too
}

func short(text string) string {
	const most = 100
	return text[:min(len(text), most)]
}
