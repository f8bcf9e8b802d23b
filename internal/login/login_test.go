package login_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/login"
)

// issuer gives out tokens.
type issuer struct {
	*httptest.Server

	keys   *oidctest.Server
	key    *rsa.PrivateKey
	isDown atomic.Bool
	// breaksOff says that its keys are sent only in part.
	breaksOff atomic.Bool
	// asked counts how often its keys were asked for.
	asked atomic.Int64
	// methods are how clients may say who they are, if it says so.
	methods []string
	// exchange answers whoever has a code, with a status and a body.
	exchange func(r *http.Request) (int, any)
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{key: newKey(t), keys: new(oidctest.Server)}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			i.asked.Add(1)
			if i.breaksOff.Load() {
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write([]byte(`{"keys":`))
				return
			}
		}
		if i.isDown.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/token" {
			status, body := i.exchange(r)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(body)
			return
		}
		if i.methods != nil && r.URL.Path == "/.well-known/openid-configuration" {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{
				"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token",
				"jwks_uri": i.URL + "/keys", "token_endpoint_auth_methods_supported": i.methods,
			})
			return
		}
		i.keys.ServeHTTP(w, r)
	}))
	t.Cleanup(i.Close)
	i.keys.SetIssuer(i.URL)
	i.publish("first", i.key)
	return i
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// publish makes a key the only one.
func (i *issuer) publish(id string, key *rsa.PrivateKey) {
	i.keys.PublicKeys = []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: id, Algorithm: oidc.RS256}}
}

// claims returns what a token says, with changes to it. Without a value, a claim is missing.
func (i *issuer) claims(t *testing.T, changes map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": i.URL, "aud": "us", "sub": "aiko", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	text, err := json.Marshal(claims)
	require.NoError(t, err)
	return string(text)
}

func (i *issuer) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	return oidctest.SignIDToken(i.key, "first", oidc.RS256, i.claims(t, changes))
}

func (i *issuer) provider(change func(*login.Config)) *login.Provider {
	config := login.Config{
		Issuer: i.URL, ClientID: "us", RedirectURL: "http://127.0.0.1/login/callback",
		Operators: login.Claim{Name: "groups", Value: "operators"}, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	return login.New(config)
}

func TestATokenSaysWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	own := uuid.New()
	derived := uuid.NewSHA1(uuid.NewSHA1(uuid.NameSpaceURL, []byte(i.URL)), []byte("aiko"))
	for name, test := range map[string]struct {
		change  func(*login.Config)
		claims  map[string]any
		want    string
		learner *uuid.UUID
	}{
		"by the subject":          {nil, map[string]any{"name": "Aiko"}, "learner " + derived.String(), &derived},
		"without a name":          {nil, nil, "learner " + derived.String(), &derived},
		"by a claim":              {func(c *login.Config) { c.UserClaim = "id" }, map[string]any{"id": own}, "learner " + own.String(), &own},
		"an operator in a list":   {nil, map[string]any{"groups": []string{"a", "operators"}, "name": "Aiko"}, "operator Aiko (sub aiko)", nil},
		"an operator by itself":   {nil, map[string]any{"groups": "operators"}, "operator aiko (sub aiko)", nil},
		"in other groups":         {nil, map[string]any{"groups": []string{"operators2", "operator"}}, "learner " + derived.String(), &derived},
		"nobody is an operator":   {func(c *login.Config) { c.Operators = login.Claim{} }, map[string]any{"": ""}, "learner " + derived.String(), &derived},
		"for an audience of many": {nil, map[string]any{"aud": []string{"others", "us"}, "azp": "us"}, "learner " + derived.String(), &derived},
		"expired just now":        {nil, map[string]any{"exp": time.Now().Add(-5 * time.Second).Unix()}, "learner " + derived.String(), &derived},
		"for an API": {
			func(c *login.Config) { c.Audience = "api" }, map[string]any{"aud": "api", "azp": "an app"}, "learner " + derived.String(), &derived,
		},
	} {
		found, err := i.provider(test.change).Identify(t.Context(), i.token(t, test.claims))
		require.NoError(t, err, name)
		assert.Equal(t, test.want, found.Name, name)
		assert.Equal(t, test.learner, found.Learner, name)
		assert.Equal(t, test.learner == nil, found.May(access.Rebuilds), name)
	}
}

func TestTokensThatAreWorthNothing(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	ofUs := func() *login.Provider { return i.provider(func(c *login.Config) { c.UserClaim = "id" }) }
	good := map[string]any{"id": uuid.New()}
	with := func(name string, value any) string {
		changes := maps.Clone(good)
		changes[name] = value
		return i.token(t, changes)
	}
	claims := i.claims(t, good)
	header, body, signature := parts(i.token(t, good))
	_, otherBody, _ := parts(with("sub", "ben"))
	public, err := json.Marshal(i.key.PublicKey)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = ofUs().Identify(t.Context(), i.token(t, good))
	require.NoError(t, err, "what the others differ from")
	for name, token := range map[string]string{
		"nothing":                       "",
		"no token":                      "a.b.c",
		"huge":                          strings.Repeat("x", 1<<20),
		"expired":                       with("exp", time.Now().Add(-time.Minute).Unix()),
		"without an end":                with("exp", nil),
		"not yet":                       with("nbf", time.Now().Add(time.Hour).Unix()),
		"for others":                    with("aud", "others"),
		"for nobody":                    with("aud", nil),
		"of another issuer":             with("iss", "https://evil.example.com"),
		"of another client":             with("azp", "others"),
		"for many, of nobody":           with("aud", []string{"us", "others"}),
		"without a user id":             with("id", nil),
		"without a subject":             with("sub", nil),
		"with a subject that is huge":   with("sub", strings.Repeat("x", 256)),
		"with a user id that is none":   with("id", "aiko"),
		"with a user id that is a list": with("id", []string{uuid.NewString()}),
		"unsigned":                      encode(`{"alg":"none"}`) + "." + body + ".",
		"unsigned, with a signature":    encode(`{"alg":"none","kid":"first"}`) + "." + body + "." + signature,
		"without a signature":           header + "." + body + ".",
		"with another's signature":      header + "." + otherBody + "." + signature,
		"signed by what everybody has":  oidctest.SignIDToken(public, "first", "HS256", claims),
		"signed by another key":         oidctest.SignIDToken(newKey(t), "first", oidc.RS256, claims),
		"signed by a key of its own":    oidctest.SignIDToken(curve, "", oidc.ES256, claims),
	} {
		_, err := ofUs().Identify(t.Context(), token) // each asks for the keys
		assert.ErrorIs(t, err, access.ErrUnknown, name)
	}
}

func parts(token string) (header, body, signature string) {
	header, rest, _ := strings.Cut(token, ".")
	body, signature, _ = strings.Cut(rest, ".")
	return header, body, signature
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestNewKeysOfTheProviderAreFound(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	old := i.token(t, nil)
	_, err := p.Identify(t.Context(), old)
	require.NoError(t, err)
	second := newKey(t)
	i.publish("second", second)

	_, err = p.Identify(t.Context(), oidctest.SignIDToken(second, "second", oidc.RS256, i.claims(t, nil)))

	require.NoError(t, err)
	_, err = p.Identify(t.Context(), old)
	assert.ErrorIs(t, err, access.ErrUnknown, "the old one was withdrawn")
}

func TestKeysThatWereWithdrawnAreNotGoodForEver(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	token := i.token(t, nil)
	_, err := p.Identify(t.Context(), token)
	require.NoError(t, err)

	i.isDown.Store(true)
	p.RenewKeys(t.Context())
	_, err = p.Identify(t.Context(), token)
	require.NoError(t, err, "the keys stay known while the provider is down")

	i.isDown.Store(false)
	i.publish("second", newKey(t))
	p.RenewKeys(t.Context())
	_, err = p.Identify(t.Context(), token)
	assert.Error(t, err)
}

func TestTheLogSaysOnceThatKeysCantBeRenewed(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	var log bytes.Buffer
	p := i.provider(func(c *login.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	p.RenewKeys(t.Context())
	_, err := p.Identify(t.Context(), i.token(t, nil))
	require.NoError(t, err)
	p.RenewKeys(t.Context())
	assert.Empty(t, log.String())
	i.isDown.Store(true)
	for range 3 { // nobody is asked the last times, and the answer stays the same
		p.RenewKeys(t.Context())
	}
	assert.Equal(t, 1, strings.Count(log.String(), "the provider's keys can't be read again"), "%s", log.String())
}

func TestTokensOfUnknownKeysMakeTheServiceAskSeldom(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	other := newKey(t)
	for n := range 50 {
		made := oidctest.SignIDToken(crypto.PrivateKey(other), uuid.NewString(), oidc.RS256, i.claims(t, nil))
		_, err := p.Identify(t.Context(), made)
		want := access.ErrUnknown
		if n >= 3 { // from then on nobody is asked
			want = access.ErrProviderAway
		}
		require.ErrorIs(t, err, want)
	}
	assert.LessOrEqual(t, i.asked.Load(), int64(5))
	_, err := p.Identify(t.Context(), i.token(t, nil))
	require.NoError(t, err, "those who have a good one don't notice")

	second := newKey(t)
	i.publish("second", second)
	_, err = p.Identify(t.Context(), oidctest.SignIDToken(second, "second", oidc.RS256, i.claims(t, nil)))
	assert.ErrorIs(t, err, access.ErrProviderAway, "it may be good: the client must not throw it away")
}

func TestATokenThatNobodyCouldJudgeIsNotUnknown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	token := i.token(t, nil)
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := i.provider(nil).Identify(gone, token)
	require.ErrorIs(t, err, context.Canceled)
	discovered := i.provider(nil)
	_, _, err = discovered.Start(t.Context(), "/")
	require.NoError(t, err)
	_, err = discovered.Identify(gone, token)
	require.ErrorIs(t, err, context.Canceled, "while the keys were read")

	i.breaksOff.Store(true)
	broken := i.provider(nil)
	_, err = broken.Identify(t.Context(), token)
	assert.ErrorIs(t, err, access.ErrProviderAway, "the body of the keys broke off")
}

func TestNobodyCanTellWhoseATokenIsWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	token := i.token(t, nil)
	discovered := i.provider(nil)
	_, _, err := discovered.Start(t.Context(), "/")
	require.NoError(t, err)
	i.isDown.Store(true)
	for range 5 {
		_, err := p.Identify(t.Context(), token)
		require.ErrorIs(t, err, access.ErrProviderAway)
		_, err = discovered.Identify(t.Context(), token)
		require.ErrorIs(t, err, access.ErrProviderAway, "its keys were never read")
		_, _, err = p.Start(t.Context(), "/")
		require.ErrorIs(t, err, access.ErrProviderAway)
	}

	i.isDown.Store(false)
	require.Eventually(t, func() bool {
		_, err := p.Identify(t.Context(), token)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)

	i.isDown.Store(true)
	_, err = p.Identify(t.Context(), token)
	assert.NoError(t, err, "nobody needs to be asked")
}

func TestItIsSaidAtOnceIfTheProviderIsDown(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	i.isDown.Store(true)
	var log logged
	p := i.provider(func(c *login.Config) { c.Secret, c.Logger = "a secret", slog.New(slog.NewTextHandler(&log, nil)) })
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})

	go func() { p.Run(ctx); close(ended) }()

	require.Eventually(t, func() bool { return log.String() != "" }, 10*time.Second, time.Millisecond)
	end()
	<-ended
	said := log.String()
	assert.Regexp(t, `^time=\S+ level=WARN msg="nobody can log in yet; each login tries again" error=".+ 503 Service Unavailable"\n$`, said)
	assert.Contains(t, said, i.URL)
	assert.NotContains(t, said, "a secret")
}

// logged is what was logged.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWhatABrowserKeepsFitsIntoACookie(t *testing.T) {
	t.Parallel()
	const longest, most = 1000, 4096
	_, kept, err := newIssuer(t).provider(nil).Start(t.Context(), strings.Repeat("/", longest))
	require.NoError(t, err)
	assert.Less(t, len("__Host-learninglog-login=")+len(kept)+len("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"), most)
}

func TestALoginThatWasNotBegunHereIsRefused(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	_, kept, err := p.Start(t.Context(), "/")
	require.NoError(t, err)
	for name, test := range map[string]struct{ kept, sent string }{
		"nothing kept":       {"", "state=x&code=x"},
		"no state at all":    {"", ""},
		"an empty state":     {"state=&nonce=&verifier=", "state=&code=x"},
		"another's state":    {kept, "state=x&code=x"},
		"a state is missing": {kept, "code=x"},
	} {
		sent, err := url.ParseQuery(test.sent)
		require.NoError(t, err)
		_, _, err = p.Finish(t.Context(), test.kept, sent)
		var refused access.RefusedLogin
		assert.ErrorAs(t, err, &refused, name)
		assert.NotErrorIs(t, err, access.ErrUnknown, "the provider wasn't asked: pages of other sites can make browsers send that")
	}
}

func TestWhatTheProviderGivesForACodeIsChecked(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	p := i.provider(nil)
	gives := func(claims map[string]any) (int, any) {
		return http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": i.token(t, claims)}
	}
	for name, test := range map[string]struct {
		exchange func(nonce string) (int, any)
		want     string
	}{
		"a good token":     {func(nonce string) (int, any) { return gives(map[string]any{"nonce": nonce}) }, "entered"},
		"no nonce":         {func(string) (int, any) { return gives(nil) }, "refused"},
		"another nonce":    {func(nonce string) (int, any) { return gives(map[string]any{"nonce": nonce + "x"}) }, "refused"},
		"another audience": {func(nonce string) (int, any) { return gives(map[string]any{"nonce": nonce, "aud": "others"}) }, "refused"},
		"another client":   {func(nonce string) (int, any) { return gives(map[string]any{"nonce": nonce, "azp": "others"}) }, "refused"},
		"an old token":     {func(nonce string) (int, any) { return gives(map[string]any{"nonce": nonce, "exp": 1}) }, "refused"},
		"no token": {func(string) (int, any) {
			return http.StatusOK, map[string]any{"access_token": "x", "token_type": "Bearer"}
		}, "refused"},
		"a code that is over": {func(string) (int, any) { return http.StatusBadRequest, map[string]any{"error": "invalid_grant"} }, "refused"},
		"another secret":      {func(string) (int, any) { return http.StatusUnauthorized, map[string]any{"error": "invalid_client"} }, "refused"},
		"an outage":           {func(string) (int, any) { return http.StatusBadGateway, nil }, "away"},
	} {
		address, kept, err := p.Start(t.Context(), "/users/1")
		require.NoError(t, err, name)
		asked, err := url.Parse(address)
		require.NoError(t, err)
		sent := asked.Query()
		assert.Equal(t, "S256", sent.Get("code_challenge_method"))
		i.exchange = func(r *http.Request) (int, any) {
			challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
			assert.Equal(t, sent.Get("code_challenge"), base64.RawURLEncoding.EncodeToString(challenge[:]))
			assert.Equal(t, "a code", r.PostFormValue("code"))
			return test.exchange(sent.Get("nonce"))
		}

		person, next, err := p.Finish(t.Context(), kept, url.Values{"state": {sent.Get("state")}, "code": {"a code"}})

		_, isRefused := errors.AsType[access.RefusedLogin](err)
		assert.Equal(t, test.want == "refused", isRefused, "%s: %v", name, err)
		assert.Equal(t, isRefused, errors.Is(err, access.ErrUnknown), "it counts: %s: %v", name, err)
		assert.Equal(t, test.want == "away", errors.Is(err, access.ErrProviderAway), "%s: %v", name, err)
		if test.want == "entered" {
			require.NoError(t, err, name)
			assert.NotEqual(t, uuid.Nil, person.UserID)
			assert.Equal(t, "/users/1", next)
		}
	}
}

func TestACodeIsSentOnceAsTheProviderWantsIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		methods  []string
		secret   string
		inHeader bool
	}{
		"nothing is said":   {nil, "secret", true},
		"in the header":     {[]string{"client_secret_basic"}, "secret", true},
		"both":              {[]string{"client_secret_post", "client_secret_basic"}, "secret", true},
		"in the parameters": {[]string{"client_secret_post"}, "secret", false},
		"without a secret":  {[]string{"client_secret_basic", "none"}, "", false},
	} {
		i := newIssuer(t)
		i.methods = test.methods
		p := i.provider(func(c *login.Config) { c.Secret = test.secret })
		address, kept, err := p.Start(t.Context(), "/")
		require.NoError(t, err, name)
		asked, err := url.Parse(address)
		require.NoError(t, err)
		sent := 0
		i.exchange = func(r *http.Request) (int, any) {
			sent++
			_, _, inHeader := r.BasicAuth()
			assert.Equal(t, test.inHeader, inHeader, name)
			assert.Equal(t, !test.inHeader, r.PostFormValue("client_id") == "us", name)
			return http.StatusBadRequest, map[string]any{"error": "invalid_grant"}
		}

		_, _, err = p.Finish(t.Context(), kept, url.Values{"state": {asked.Query().Get("state")}, "code": {"a code"}})

		require.Error(t, err, name)
		assert.Equal(t, 1, sent, name)
	}
}

func TestWhatAClaimMustBe(t *testing.T) {
	t.Parallel()
	var claim login.Claim
	require.NoError(t, claim.UnmarshalText([]byte("groups=a=b")))
	assert.Equal(t, login.Claim{Name: "groups", Value: "a=b"}, claim)
	for _, wrong := range []string{"", "groups", "=x", "groups="} {
		assert.Error(t, claim.UnmarshalText([]byte(wrong)), wrong)
	}
}
