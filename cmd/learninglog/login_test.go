package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"learninglog/internal/pgtest"
)

// visitor is a browser without scripts.
type visitor struct {
	t      testing.TB
	client *http.Client
}

func newVisitor(t testing.TB) *visitor {
	t.Helper()
	cookies, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &visitor{t, &http.Client{Jar: cookies, Timeout: time.Minute}}
}

// shown is a page, and where the visitor is.
type shown struct {
	status  int
	address *url.URL
	text    string
}

// goTo follows a link, or sends a form if there is one.
func (v *visitor) goTo(address string, form url.Values) shown {
	v.t.Helper()
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	request, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	require.NoError(v.t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	answer, err := v.client.Do(request)
	require.NoError(v.t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(v.t, err)
	return shown{answer.StatusCode, answer.Request.URL, string(text)}
}

// logIn logs in at the provider, beginning at a page of the service.
func (v *visitor) logIn(s *service, page, name string) shown {
	v.t.Helper()
	asked := v.goTo(s.base+page, nil)
	require.Equal(v.t, "/login", asked.address.Path, "nobody is logged in: %s", asked.text)
	link := regexp.MustCompile(`href="(/login/start[^"]*)"`).FindStringSubmatch(asked.text)
	require.NotNil(v.t, link, asked.text)
	there := v.goTo(s.base+link[1], nil)
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(there.text)
	require.NotNil(v.t, id, "%s: %s", there.address, there.text)
	login := there.address.ResolveReference(&url.URL{Path: "/login/username"}).String()
	return v.goTo(login, url.Values{"id": {id[1]}, "username": {name}, "password": {theirPassword}})
}

func TestPeopleLogInAtAProvider(t *testing.T) {
	t.Parallel()
	p, database := newProvider(t), pgtest.URL(t)
	first := serve(t, p.flags(t, database)...) // while the provider is down
	second := serve(t, p.flags(t, database)...)
	p.knows(first)
	learner, operator := newVisitor(t), newVisitor(t)
	summary := "/v1/users/" + p.learner.String() + "/summary"

	// A learner has their own page, and nobody else's.
	own := learner.logIn(first, "/", aLearner)
	assert.Equal(t, http.StatusOK, own.status, own.text)
	assert.Equal(t, "/users/"+p.learner.String(), own.address.Path)
	assert.Contains(t, own.text, "learner "+p.learner.String())
	assert.NotContains(t, own.text, `href="/admin"`)
	other := learner.goTo(first.base+"/users/"+uuid.NewString(), nil)
	assert.Equal(t, http.StatusNotFound, other.status)
	assert.Equal(t, http.StatusForbidden, learner.goTo(first.base+"/admin", nil).status)
	assert.Contains(t, learner.goTo(first.base+"/admin", nil).text, "Log out", "from wherever they got to")
	assert.Equal(t, http.StatusOK, learner.goTo(second.base+summary, nil).status, "the session is known to each replica")

	// An operator gets to the page from which the login began.
	admin := operator.logIn(first, "/admin?x=1", anOperator)
	assert.Equal(t, http.StatusOK, admin.status)
	assert.Equal(t, "/admin?x=1", admin.address.RequestURI())
	assert.Contains(t, admin.text, "operator id1@school (sub id1)")
	assert.Equal(t, http.StatusOK, operator.goTo(second.base+"/users/"+p.learner.String(), nil).status)

	// While the provider is down, sessions go on, and logins don't begin.
	p.isUp.Store(false)
	require.Eventually(t, func() bool {
		answer, err := first.call(http.MethodGet, "/login/start", "") // which it may lead to for a moment
		return err == nil && answer.status == http.StatusServiceUnavailable
	}, eventually, often)
	assert.Contains(t, newVisitor(t).goTo(second.base+"/login/start", nil).text, "The provider where people log in does not answer")
	assert.Equal(t, http.StatusOK, learner.goTo(first.base+"/", nil).status)

	// Logging out counts everywhere.
	out := learner.goTo(first.base+"/logout", url.Values{})
	assert.Equal(t, "/login", out.address.Path)
	assert.Equal(t, http.StatusUnauthorized, learner.goTo(second.base+summary, nil).status, "the visitor has no cookie any more")

	for _, s := range []*service{first, second} {
		assertNever(t, s.log.String(), clientSecret, "code=", theirPassword)
	}
}

// The cookie itself must be worth nothing, wherever it was copied to.
func TestASessionThatWasLoggedOutIsWorthNothingOnAnyReplica(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	first := serve(t, "--database-url="+database, "--auth=keys")
	second := serve(t, "--database-url="+database, "--auth=keys")
	key := newKey(t, database, "--scopes=logs:read,rebuilds")
	v := newVisitor(t)
	entered := v.goTo(first.base+"/login", url.Values{"key": {key}, "next": {"/admin"}})
	require.Equal(t, http.StatusOK, entered.status, entered.text)
	require.Equal(t, "/admin", entered.address.Path)
	address, err := url.Parse(first.base)
	require.NoError(t, err)
	thief := newVisitor(t)
	thief.client.Jar.SetCookies(address, v.client.Jar.Cookies(address))
	require.Equal(t, http.StatusOK, thief.goTo(second.base+"/v1/rebuilds", nil).status)

	v.goTo(first.base+"/logout", url.Values{})

	assert.Equal(t, http.StatusUnauthorized, thief.goTo(second.base+"/v1/rebuilds", nil).status)
	assert.Empty(t, thief.client.Jar.Cookies(address), "it isn't sent again and again")
	assertNever(t, first.log.String(), key)
}

// Sessions are looked up in the database for each request, and whoever has one could otherwise
// take all connections.
func TestWhoeverHasASessionLeavesConnectionsToOthers(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	s := serve(t, "--database-url="+database, "--auth=keys")
	key := newKey(t, database, "--scopes=logs:read,rebuilds")
	v := newVisitor(t)
	require.Equal(t, http.StatusOK, v.goTo(s.base+"/login", url.Values{"key": {key}}).status)
	locking, err := pgtest.Open(t, database).Begin(t.Context())
	require.NoError(t, err)
	_, err = locking.Exec(t.Context(), `LOCK TABLE learninglog_sessions`)
	require.NoError(t, err)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() { v.goTo(s.base+"/v1/rebuilds", nil) })
		all.Go(func() { v.goTo(s.base+"/logout", url.Values{}) })
	}
	require.Eventually(t, func() bool {
		var waiting int
		err := locking.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'learninglog_sessions'::regclass`).Scan(&waiting)
		return assert.NoError(t, err) && waiting > 1
	}, eventually, often)

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // which is less than a session is waited for
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/v1/rebuilds", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(request)
	if assert.NoError(t, err) {
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.NoError(t, answer.Body.Close())
	}
	require.NoError(t, locking.Rollback(t.Context()))
	all.Wait()
}

// A login without a page to come back to leads to one that isn't refused.
func TestALoginLeadsToThePageThatTheVisitorMaySee(t *testing.T) {
	t.Parallel()
	database, learner := pgtest.URL(t), uuid.NewString()
	s := serve(t, "--database-url="+database, "--auth=keys")
	for want, flags := range map[string][]string{
		"/":                 {"--scopes=logs:read,rebuilds"},
		"/admin":            {"--scopes=rebuilds,keys"},
		"/admin/keys":       {"--scopes=keys"},
		"/users/" + learner: {"--scopes=logs:read", "--user=" + learner},
	} {
		entered := newVisitor(t).goTo(s.base+"/login", url.Values{"key": {newKey(t, database, flags...)}})
		assert.Equal(t, http.StatusOK, entered.status, "%s: %s", want, entered.text)
		assert.Equal(t, want, entered.address.Path)
	}
	for shown, scopes := range map[bool]string{false: "rebuilds", true: "rebuilds,keys"} {
		operator := newVisitor(t).goTo(s.base+"/login", url.Values{"key": {newKey(t, database, "--scopes="+scopes)}})
		assert.Equal(t, shown, strings.Contains(operator.text, `href="/admin/keys"`), scopes)
	}
	writer := newVisitor(t).goTo(s.base+"/login", url.Values{"key": {newKey(t, database, "--scopes=logs:write")}})
	assert.Equal(t, http.StatusForbidden, writer.status, "there is no page for them")
}

// idToken logs in as an app would, and returns the ID token that it gets.
func (p *provider) idToken(s *service, name string) string {
	p.t.Helper()
	app := oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURL: s.base + "/login/callback", Scopes: []string{"openid"},
		Endpoint: oauth2.Endpoint{AuthURL: p.issuer() + "/auth", TokenURL: p.issuer() + "/oauth/token"},
	}
	v, verifier, code := newVisitor(p.t), oauth2.GenerateVerifier(), ""
	v.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/login/callback" && r.URL.Host != strings.TrimPrefix(p.issuer(), "http://") {
			code = r.URL.Query().Get("code")
			return http.ErrUseLastResponse
		}
		return nil
	}
	there := v.goTo(app.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), nil)
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(there.text)
	require.NotNil(p.t, id, there.text)
	v.goTo(p.issuer()+"/login/username", url.Values{"id": {id[1]}, "username": {name}, "password": {theirPassword}})
	given, err := app.Exchange(context.Background(), code, oauth2.VerifierOption(verifier))
	require.NoError(p.t, err)
	token, _ := given.Extra("id_token").(string)
	require.NotEmpty(p.t, token)
	return token
}

func TestTokensOfTheProviderAreForTheAPI(t *testing.T) {
	t.Parallel()
	p, database := newProvider(t), pgtest.URL(t)
	s := serve(t, p.flags(t, database)...)
	p.knows(s)
	own, others := "/v1/users/"+p.learner.String()+"/summary", "/v1/users/"+uuid.NewString()+"/summary"

	learner, operator := p.idToken(s, aLearner), p.idToken(s, anOperator)
	assert.Equal(t, http.StatusOK, s.with(learner, http.MethodGet, own, "", "").status)
	assert.Equal(t, http.StatusNotFound, s.with(learner, http.MethodGet, others, "", "").status)
	assert.Equal(t, http.StatusForbidden, s.with(learner, http.MethodGet, "/v1/rebuilds", "", "").status)
	assert.Equal(t, http.StatusOK, s.with(operator, http.MethodGet, "/v1/rebuilds", "", "").status)
	assert.Equal(t, http.StatusOK, s.with(newKey(t, database, "--scopes=logs:read"), http.MethodGet, own, "", "").status, "keys are for it, too")

	with := func(name string, value any) string {
		claims := map[string]any{
			"iss": p.issuer(), "aud": clientID, "azp": clientID, "sub": learnersSubject, learnersClaim: p.learner.String(),
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}
		claims[name] = value
		text, err := json.Marshal(claims)
		require.NoError(t, err)
		return oidctest.SignIDToken(p.key.Load().private, p.key.Load().id, "RS256", string(text))
	}
	require.Equal(t, http.StatusOK, s.with(with("sub", learnersSubject), http.MethodGet, own, "", "").status, "what the others differ from")
	for name, token := range map[string]string{
		"expired":        with("exp", time.Now().Add(-time.Hour).Unix()),
		"for others":     with("aud", "others"),
		"of others":      with("iss", "https://login.example.com"),
		"unsigned":       unsigned(with("sub", learnersSubject)),
		"made up":        "a.b.c",
		"another's body": strings.Join([]string{strings.Split(learner, ".")[0], strings.Split(operator, ".")[1], strings.Split(learner, ".")[2]}, "."),
	} {
		assert.Equal(t, http.StatusUnauthorized, s.with(token, http.MethodGet, own, "", "").status, name)
	}

	// The provider signs by another key from now on.
	p.rotate()
	renewed := p.idToken(s, aLearner)
	require.Eventually(t, func() bool { return s.with(renewed, http.MethodGet, own, "", "").status == http.StatusOK }, eventually, often)
	assert.NotEqual(t, http.StatusOK, s.with(learner, http.MethodGet, own, "", "").status, "the old key is known no more, or nobody can tell")
	assert.Equal(t, http.StatusOK, newVisitor(t).logIn(s, "/", aLearner).status)

	p.isUp.Store(false)
	assert.Equal(t, http.StatusOK, s.with(renewed, http.MethodGet, own, "", "").status, "nobody needs to be asked")
}

// unsigned returns a token with the same claims that says it needs no signature.
func unsigned(token string) string {
	const header = "eyJhbGciOiJub25lIn0" // {"alg":"none"}
	return header + "." + strings.Split(token, ".")[1] + "."
}

// Otherwise anybody could make the service ask the provider as often as they like.
func TestWhoeverMakesUpLoginsIsHeldUp(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	s := serve(t, append(p.flags(t, pgtest.URL(t)), "--trusted-proxies=127.0.0.1")...)
	p.knows(s)
	var asked atomic.Int64
	known := p.serve
	p.serve = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
		known.ServeHTTP(w, r)
	})
	comeBack := func(address, cookie string) int {
		return s.try(http.MethodGet, "/login/callback?state=x&code=y", "", "X-Forwarded-For", address, "Cookie", cookie).status
	}
	const madeUp = "learninglog-login=state=x&nonce=x&verifier=x"
	for range 30 {
		assert.Equal(t, http.StatusUnauthorized, comeBack("203.0.113.1", ""), "it costs nothing, so it doesn't count")
	}
	var statuses []int
	for range 30 {
		statuses = append(statuses, comeBack("203.0.113.1", madeUp))
	}
	assert.Equal(t, http.StatusUnauthorized, statuses[0])
	assert.Equal(t, http.StatusTooManyRequests, statuses[len(statuses)-1])
	assert.Positive(t, asked.Load())
	assert.Less(t, asked.Load(), int64(30))
	assert.Equal(t, http.StatusUnauthorized, comeBack("203.0.113.2", madeUp), "from another address")
}

func TestALoginNeedsItsFlags(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "file", "")
	for want, flags := range map[string][]string{
		"--auth=oidc needs --oidc-issuer":    {"--auth=oidc"},
		"--auth=oidc needs --oidc-client-id": {"--auth=oidc", "--oidc-issuer=https://a.example.com"},
		"--auth=oidc needs --public-url":     {"--auth=oidc", "--oidc-issuer=https://a.example.com", "--oidc-client-id=x", "--addr=0.0.0.0:0"},
		"needs --public-url, such as https://learn.example.com: the provider leads people back there": {"--auth=oidc", "--oidc-issuer=https://a.example.com", "--oidc-client-id=x", "--addr=unix:/run/learninglog.sock"},
		"--oidc-issuer must begin with https://":                                                      {"--auth=oidc", "--oidc-issuer=http://a.example.com", "--oidc-client-id=x"},
		"--oidc-issuer must be a URL":                                                                 {"--auth=oidc", "--oidc-issuer=a.example.com", "--oidc-client-id=x"},
		"--oidc-scopes must have openid":                                                              {"--auth=oidc", "--oidc-issuer=https://a.example.com", "--oidc-client-id=x", "--oidc-scopes=profile,email"},
		"nobody does without --auth=oidc":                                                             {"--auth=keys", "--oidc-issuer=https://a.example.com"},
		"--public-url must begin with https://":                                                       {"--public-url=http://learn.example.com"},
		"--public-url must be without a path":                                                         {"--public-url=https://example.com/learn"},
		"--oidc-operators: must be a claim and its value":                                             {"--oidc-operators=groups"},
		"is empty: write the client's secret into it":                                                 {"--auth=oidc", "--oidc-issuer=https://a.example.com", "--oidc-client-id=x", "--oidc-client-secret-file=" + file},
		"others can reach --addr":                                                                     {"--addr=0.0.0.0:0"},
	} {
		_, problems, status := run(t, append([]string{"serve"}, flags...)...)
		assert.NotZero(t, status, want)
		assert.Contains(t, problems, want)
	}
}

// Where people come by https, their browsers take the cookie from nobody else.
func TestThePublicURLIsWhereCookiesAndHostsAreFrom(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	s := serve(t, "--database-url="+database, "--auth=keys", "--public-url=https://learn.example.com")
	s.reachByAddress()
	key := newKey(t, database, "--scopes=logs:read")
	form := url.Values{"key": {key}}.Encode()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/login", strings.NewReader(form))
	require.NoError(t, err)
	request.Host = "learn.example.com"
	request.Header.Set("Origin", "https://learn.example.com")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")

	answer, err := http.DefaultTransport.RoundTrip(request)

	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusSeeOther, answer.StatusCode)
	assert.Regexp(t, `^__Host-learninglog=\w{43}; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax$`, answer.Header.Get("Set-Cookie"))
}

func TestTheServiceWarnsIfCookiesWouldBeSentOverHTTP(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	const warning, https = "put a proxy with TLS before the service", "--public-url=https://learn.example.com"
	for _, test := range []struct {
		flags []string
		warns bool
	}{
		{[]string{"--addr=0.0.0.0:0"}, true},
		{[]string{"--addr=0.0.0.0:0", https}, false},
		{[]string{}, false},
		{[]string{"--allowed-hosts=learn.example.com"}, true}, // that of a proxy on this machine
		{[]string{"--allowed-hosts=learn.example.com", https}, false},
	} {
		s := serve(t, append(test.flags, "--auth=keys", "--database-url="+database)...)
		require.Eventually(t, func() bool { return strings.Contains(s.log.String(), "msg=ready") }, eventually, often)
		assert.Equal(t, test.warns, strings.Contains(s.log.String(), warning), "%v", test.flags)
	}

	socket := "unix:" + filepath.Join(dataDir(t), "socket")
	command := exec.Command(program, "serve", "--addr", socket, "--auth=keys", "--database-url="+database)
	command.Env = environment()
	var log bytes.Buffer
	command.Stderr = &log
	require.NoError(t, command.Start())
	require.Eventually(t, func() bool {
		_, _, status := run(t, "health", "--addr", socket)
		return status == 0
	}, eventually, often)
	require.NoError(t, command.Process.Kill())
	_ = command.Wait()
	assert.Contains(t, log.String(), warning)
}

func TestPeopleLogInWithABrowser(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	s := serve(t, p.flags(t, pgtest.URL(t))...)
	p.knows(s)
	b := browse(t, s)
	b.expect("asked elsewhere: " + p.issuer() + "/") // which the login page leads to
	b.expect(p.issuer() + "/favicon.ico")
	// A page that waits for the first log asks for it while its learner logs out.
	b.expect("/v1/users/" + p.learner.String() + "/learning-logs?limit=1")

	b.open("/login")
	b.isAccessible("the login page")
	b.screenshot("login")
	b.withoutScripts()
	b.open("/users/" + p.learner.String() + "?by=week")
	assert.Equal(t, "Log in", b.text("h1"))
	b.do(chromedp.Click(chromedp.CSS(".button.main")), chromedp.WaitReady(chromedp.CSS("#username")))
	b.do(chromedp.SendKeys(chromedp.CSS("#username"), aLearner), chromedp.SendKeys(chromedp.CSS("#password"), theirPassword))
	b.follow("button[type=submit]")

	assert.Equal(t, "/users/"+p.learner.String()+"?by=week", b.path())
	assert.Contains(t, b.text(".visitor"), "learner "+p.learner.String())
	b.narrow()
	b.fits()
	b.screenshot("logged-in")
	b.withScripts()
	b.open("/")
	b.isAccessible("a page of somebody who is logged in")
	b.follow(".visitor button")
	assert.Equal(t, "/login", b.path())
	b.open("/")
	assert.Equal(t, "/login?next=%2F", b.path(), "nobody is logged in")
}

// reachByAddress makes the test reach a service that has a public URL, which it is greeted
// with, by the address in its log.
func (s *service) reachByAddress() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		ready := regexp.MustCompile(`msg=ready address=(\S+)`).FindStringSubmatch(s.log.String())
		if ready != nil {
			s.base = "http://" + ready[1]
		}
		return ready != nil
	}, eventually, often)
}
