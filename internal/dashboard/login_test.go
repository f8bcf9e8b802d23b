package dashboard_test

import (
	"compress/gzip"
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/dashboard"
	"learninglog/internal/metrics"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/problem"
	"learninglog/query"
)

// elsewhere is a provider that knows one person.
type elsewhere struct {
	person access.Person
	err    error
}

func (e elsewhere) Host() string { return "login.example.com" }

func (e elsewhere) Start(_ context.Context, next string) (address, attempt string, err error) {
	return "https://login.example.com/auth?state=1", url.QueryEscape(next), e.err
}

func (e elsewhere) Finish(_ context.Context, attempt string, _ url.Values) (access.Person, string, error) {
	next, _ := url.QueryUnescape(attempt)
	return e.person, next, e.err
}

// closedSite is a site whose visitors log in. It has a key.
type closedSite struct {
	http.Handler

	sessions *access.Sessions
	key      string
}

func newClosedSite(t *testing.T, pool *pgxpool.Pool, provider dashboard.Provider) closedSite {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	wanted := access.NewKey{Name: "backend", Scopes: []access.Scope{access.ReadLogs}}
	_, secret, err := access.NewKeys(pool).Create(t.Context(), wanted)
	require.NoError(t, err)
	keys := access.NewKeyring(pool, 0, logger)
	sessions := access.NewSessions(pool, keys, "https://login.example.com", logger)
	gate := access.NewGate(keys, nil, sessions, access.Cookies{}, metrics.NewAuthentication(prometheus.NewRegistry()))
	pages, err := dashboard.New(dashboard.Config{
		Reader:         query.NewReader(pool, time.UTC),
		Recorder:       command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}),
		Zone:           time.UTC,
		Operations:     &dashboard.Operations{},
		Login:          &dashboard.Login{Sessions: sessions, BeginWithKey: sessions.BeginWithKey, Provider: provider, Try: gate.TryLogin},
		Problems:       problem.NewTable(postgres.Unavailable, func() time.Duration { return time.Second }, logger),
		RequestTimeout: time.Minute,
		Logger:         logger,
	})
	require.NoError(t, err)
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			identity, err := gate.Identify(r)
			if err == nil {
				r = r.WithContext(access.With(r.Context(), identity))
			}
			next.ServeHTTP(w, r)
		})
	})
	router.Method(http.MethodGet, "/", pages.Start)
	router.Method(http.MethodGet, "/users", pages.FindUser)
	router.Method(http.MethodGet, "/users/{user_id}", pages.Learner)
	router.Method(http.MethodGet, "/login", pages.LogIn)
	router.Method(http.MethodPost, "/login", pages.LogInWithKey)
	router.Method(http.MethodGet, "/login/start", pages.StartLogin)
	router.Method(http.MethodGet, "/login/callback", pages.FinishLogin)
	router.Method(http.MethodPost, "/logout", pages.LogOut)
	return closedSite{Handler: router, sessions: sessions, key: secret}
}

// ask sends a request, with a form if there is one, of whoever has the cookies.
func (s closedSite) ask(t *testing.T, path string, form url.Values, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	if form != nil {
		request = httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	request.Header.Set("Accept-Encoding", "identity")
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	return answer
}

// textOf returns the page in an answer, which may be compressed.
func textOf(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var body io.Reader = answer.Body
	if answer.Header().Get("Content-Encoding") == "gzip" {
		var err error
		body, err = gzip.NewReader(answer.Body)
		require.NoError(t, err)
	}
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	return html.UnescapeString(string(text))
}

func cookieOf(t *testing.T, answer *httptest.ResponseRecorder, name string) *http.Cookie {
	t.Helper()
	for _, line := range answer.Header().Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		require.NoError(t, err)
		if cookie.Name == name {
			return cookie
		}
	}
	require.Fail(t, "there is no cookie "+name)
	return nil
}

func TestALoginLeadsOnlyToPagesOfThisSite(t *testing.T) {
	t.Parallel()
	site := newClosedSite(t, pgtest.Pool(t), elsewhere{person: access.Person{Name: "Ben", Subject: "2", Operator: true}})
	for next, want := range map[string]string{
		"":                              "/",
		"/users/1?by=day&from=1":        "/users/1?by=day&from=1",
		"/admin/jobs/":                  "/admin/jobs/",
		"/a%2f%2fb?c=%5c#d":             "/a%2f%2fb?c=%5c#d",
		"admin":                         "/",
		"//evil.example.com/":           "/",
		"///evil.example.com/":          "/",
		"/\\evil.example.com":           "/",
		"\\\\evil.example.com":          "/",
		"/a\\b":                         "/",
		"/\t/evil.example.com":          "/",
		"/\n/evil.example.com":          "/",
		"https://evil.example.com/":     "/",
		"javascript:alert(1)":           "/",
		"/%zz":                          "/",
		"/login?next=/login":            "/",
		"/login/start":                  "/",
		"/" + strings.Repeat("x", 999):  "/" + strings.Repeat("x", 999),
		"/" + strings.Repeat("x", 1000): "/",
	} {
		answer := site.ask(t, "/login", url.Values{"key": {site.key}, "next": {next}})
		assert.Equal(t, http.StatusSeeOther, answer.Code)
		assert.Equal(t, want, answer.Header().Get("Location"), "%q", next)

		started := site.ask(t, "/login/start?"+url.Values{"next": {next}}.Encode(), nil)
		finished := site.ask(t, "/login/callback", nil, cookieOf(t, started, "learninglog-login"))
		assert.Equal(t, want, finished.Header().Get("Location"), "%q", next)

		kept := &http.Cookie{Name: "learninglog-login", Value: url.QueryEscape(next)} // it may be made up
		finished = site.ask(t, "/login/callback", nil, kept)
		assert.Equal(t, want, finished.Header().Get("Location"), "%q", next)
	}
}

func TestAWrongKeyIsAskedForAgain(t *testing.T) {
	t.Parallel()
	site := newClosedSite(t, pgtest.Pool(t), nil)
	wrong := strings.Repeat("x", 20)
	answer := site.ask(t, "/login", url.Values{"key": {wrong}, "next": {"/users/1"}})
	assert.Equal(t, http.StatusUnauthorized, answer.Code)
	assert.Empty(t, answer.Header().Get("Set-Cookie"))
	shown := textOf(t, answer)
	assert.Contains(t, shown, "This key is not known, has expired or was revoked.")
	assert.Contains(t, shown, `value="/users/1"`)
	assert.NotContains(t, shown, wrong)
	assert.NotContains(t, shown, "Log in with", "there is no provider")
	assert.NotContains(t, shown, "Log out")
	assert.NotContains(t, shown, "Operations", "nobody may")
	assert.Contains(t, answer.Header().Get("Content-Security-Policy"), "form-action 'self'")
}

func TestWhoIsLoggedInIsShownAndCanLogOut(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	site := newClosedSite(t, pool, nil)
	session := cookieOf(t, site.ask(t, "/login", url.Values{"key": {site.key}}), "learninglog")
	shown := textOf(t, site.ask(t, "/", nil, session))
	assert.Contains(t, shown, `action="/logout">key 1 (backend) <button>Log out`)
	assert.NotContains(t, shown, "/admin", "the key isn't an operator's")

	again := cookieOf(t, site.ask(t, "/login", url.Values{"key": {site.key}}, session), "learninglog")
	_, err := site.sessions.Find(t.Context(), session.Value)
	require.ErrorIs(t, err, access.ErrUnknown, "a login ends the session that the browser had")

	out := site.ask(t, "/logout", url.Values{}, again)
	assert.Equal(t, http.StatusSeeOther, out.Code)
	assert.Equal(t, "/login", out.Header().Get("Location"))
	assert.Negative(t, cookieOf(t, out, "learninglog").MaxAge)
	assert.Equal(t, `"cache"`, out.Header().Get("Clear-Site-Data"), "going back shows no page")
	_, err = site.sessions.Find(t.Context(), again.Value)
	assert.ErrorIs(t, err, access.ErrUnknown)
}

// Learners' pages are cached; the layout around them isn't the same for all.
func TestALearnersPageIsMadeForWhoLooksAtIt(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	post(t, pool, learner, 5, "2026-03-04T21:00:00Z")
	site := newClosedSite(t, pool, nil)
	as := func(p access.Person) string {
		begun, err := site.sessions.Begin(t.Context(), p)
		require.NoError(t, err)
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/"+learner.String(), nil)
		request.Header.Set("Accept-Encoding", "gzip")
		request.AddCookie(&http.Cookie{Name: "learninglog", Value: begun.Secret})
		answer := httptest.NewRecorder()
		site.ServeHTTP(answer, request)
		require.Equal(t, http.StatusOK, answer.Code)
		return textOf(t, answer)
	}
	for range 2 {
		own, operators := as(access.Person{UserID: learner}), as(access.Person{Name: "Ben", Subject: "2", Operator: true})
		assert.Contains(t, own, "learner "+learner.String())
		assert.NotContains(t, own, "operator Ben")
		assert.NotContains(t, own, `href="/admin"`)
		assert.Contains(t, operators, "operator Ben")
		assert.Contains(t, operators, `href="/admin"`)
	}
}

func TestWhoMayOnlyReadIsNotOfferedToTakeLogsBack(t *testing.T) {
	t.Parallel()
	pool, learner := pgtest.Pool(t), uuid.New()
	post(t, pool, learner, 5, time.Now().Format(time.RFC3339))
	site := newClosedSite(t, pool, nil)
	own, err := site.sessions.Begin(t.Context(), access.Person{UserID: learner})
	require.NoError(t, err)
	reader := cookieOf(t, site.ask(t, "/login", url.Values{"key": {site.key}}), "learninglog")
	page := "/users/" + learner.String()
	assert.Contains(t, textOf(t, site.ask(t, page, nil, &http.Cookie{Name: "learninglog", Value: own.Secret})), "Yes, take back")
	assert.NotContains(t, textOf(t, site.ask(t, page, nil, reader)), "Yes, take back")
}

func TestLearnersAreLedToTheirOwnPage(t *testing.T) {
	t.Parallel()
	learner := uuid.New()
	site := newClosedSite(t, pgtest.Pool(t), nil)
	begun, err := site.sessions.Begin(t.Context(), access.Person{UserID: learner})
	require.NoError(t, err)
	for _, path := range []string{"/", "/users?id=" + uuid.NewString(), "/users"} {
		answer := site.ask(t, path, nil, &http.Cookie{Name: "learninglog", Value: begun.Secret})
		assert.Equal(t, http.StatusSeeOther, answer.Code, path)
		assert.Equal(t, "/users/"+learner.String(), answer.Header().Get("Location"), path)
	}
}

func TestALoginThatComesToNothingSaysWhy(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
		says   string
	}{
		{access.RefusedLogin("Your account has no user id."), http.StatusUnauthorized, "Your account has no user id."},
		{access.ErrProviderAway, http.StatusServiceUnavailable, "The provider where people log in does not answer."},
	} {
		site := newClosedSite(t, pgtest.Pool(t), elsewhere{err: test.err})
		answer := site.ask(t, "/login/callback?code=secret", nil)
		assert.Equal(t, test.status, answer.Code)
		shown := textOf(t, answer)
		assert.Contains(t, shown, test.says)
		assert.Contains(t, shown, `<a href="/login">Log in</a>`)
		assert.NotContains(t, shown, "refresh", "a code is good for one try")
		assert.NotContains(t, shown, "reload.js")
		assert.NotContains(t, shown, "secret")
	}
}
