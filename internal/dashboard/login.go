package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"learninglog/internal/access"
)

// Login is how people log in.
type Login struct {
	Sessions *access.Sessions
	Cookies  access.Cookies
	// BeginWithKey begins a session of whoever pastes a key. Nil is nobody.
	BeginWithKey func(ctx context.Context, key string) (access.Session, error)
	// Provider is where people log in, or nil.
	Provider Provider
	// Try lets somebody finish a login there, unless they fail too often. It must be set if
	// Provider is.
	Try func(ctx context.Context, logIn func() error) error
}

// Provider logs people in elsewhere.
type Provider interface {
	// Host is what people know it by.
	Host() string
	// Start returns where a person logs in, to come back to a page of this site in the end,
	// and what their browser is to keep until then. It fails with [access.ErrProviderAway].
	Start(ctx context.Context, next string) (address, attempt string, err error)
	// Finish returns who has logged in, and to which page they come back, from what the
	// browser has kept and what the provider has sent along. It fails with an
	// [access.RefusedLogin], which is an [access.ErrUnknown] too if the provider had to be
	// asked, or with [access.ErrProviderAway].
	Finish(ctx context.Context, attempt string, sent url.Values) (p access.Person, next string, err error)
}

const (
	loginPath    = "/login"
	startPath    = loginPath + "/start"
	callbackPath = loginPath + "/callback"
	// attemptLasts is how long a person may take to log in elsewhere.
	attemptLasts = 10 * time.Minute
)

// loginPage is what the login page shows.
type loginPage struct {
	layout

	// Next is to which page the login leads.
	Next string
	// Provider is the host where people log in, or empty.
	Provider string
	WithKeys bool
	// Wrong says that the key is not known.
	Wrong bool
}

// Start is a link that begins the login elsewhere.
func (p loginPage) Start() string {
	return startPath + "?" + url.Values{"next": {p.Next}}.Encode()
}

// logIn shows the login page.
func (p *Pages) logIn(w http.ResponseWriter, r *http.Request) error {
	return p.showLogin(w, r, http.StatusOK, r.URL.Query().Get("next"))
}

func (p *Pages) showLogin(w http.ResponseWriter, r *http.Request, status int, next string) error {
	page := loginPage{
		layout: p.newLayout(r, localeOf(r).Text("log_in")), Next: ownPage(next), WithKeys: p.Login.BeginWithKey != nil,
		Wrong: status == http.StatusUnauthorized,
	}
	if p.Login.Provider != nil {
		page.Provider = p.Login.Provider.Host()
	}
	return p.render(w, r, status, "login", page)
}

// logInWithKey begins a session of whoever has the key in the form.
func (p *Pages) logInWithKey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	begun, err := p.Login.BeginWithKey(r.Context(), strings.TrimSpace(r.PostForm.Get("key")))
	if errors.Is(err, access.ErrUnknown) {
		return p.showLogin(w, r, http.StatusUnauthorized, r.PostForm.Get("next"))
	}
	if err != nil {
		return err
	}
	return p.enter(w, r, begun, r.PostForm.Get("next"))
}

// startLogin leads to where people log in. It is a link, not a form: browsers would refuse
// to go elsewhere after a form, because of the contentPolicy.
func (p *Pages) startLogin(w http.ResponseWriter, r *http.Request) error {
	address, attempt, err := p.Login.Provider.Start(r.Context(), ownPage(r.URL.Query().Get("next")))
	if err != nil {
		return err
	}
	p.Login.Cookies.Set(w, access.AttemptCookie, attempt, attemptLasts)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, address, http.StatusSeeOther) //nolint:gosec // it is the provider's
	return nil
}

// finishLogin begins a session of whoever comes back from there.
func (p *Pages) finishLogin(w http.ResponseWriter, r *http.Request) error {
	attempt := p.Login.Cookies.Get(r, access.AttemptCookie)
	p.Login.Cookies.Set(w, access.AttemptCookie, "", 0) // each is good for one try
	var person access.Person
	var next string
	err := p.Login.Try(r.Context(), func() (err error) {
		person, next, err = p.Login.Provider.Finish(r.Context(), attempt, r.URL.Query())
		return err
	})
	if err != nil {
		return err
	}
	begun, err := p.Login.Sessions.Begin(r.Context(), person)
	if err != nil {
		return err
	}
	return p.enter(w, r, begun, next)
}

// enter ends the session that the browser had, gives it one that has begun, and leads to a
// page.
func (p *Pages) enter(w http.ResponseWriter, r *http.Request, begun access.Session, next string) error {
	if err := p.endSession(r); err != nil {
		return err
	}
	p.Login.Cookies.Set(w, access.SessionCookie, begun.Secret, begun.Lasts)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, ownPage(next), http.StatusSeeOther) //nolint:gosec // it leads to this very site
	return nil
}

// logOut ends the session, and leads to the login page.
func (p *Pages) logOut(w http.ResponseWriter, r *http.Request) error {
	if err := p.endSession(r); err != nil {
		return err
	}
	p.Login.Cookies.Set(w, access.SessionCookie, "", 0)
	w.Header().Set("Clear-Site-Data", `"cache"`) // or going back would show the last page
	http.Redirect(w, r, loginPath, http.StatusSeeOther)
	return nil
}

func (p *Pages) endSession(r *http.Request) error {
	secret := p.Login.Cookies.Get(r, access.SessionCookie)
	if secret == "" {
		return nil
	}
	return p.Login.Sessions.End(r.Context(), secret)
}

// ownPage returns the address of a page of this site if that is what it is, or else that of
// the start page. Whoever makes up a link to the login page must not choose where it leads.
func ownPage(address string) string {
	const start, longest = "/", 1000 // a cookie has it, at most three times as long, and 4 KB is the most that one may be
	// What browsers make of these is more than the parser says.
	isOdd := func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }
	parsed, err := url.Parse(address)
	if err != nil || len(address) > longest || strings.ContainsFunc(address, isOdd) ||
		!strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") ||
		parsed.Scheme != "" || parsed.Host != "" || parsed.Path == loginPath || strings.HasPrefix(parsed.Path, loginPath+"/") {
		return start
	}
	return address
}

// homeOf returns the page of the only learner whom a visitor knows, or nothing if they know
// all.
func homeOf(r *http.Request) string {
	if visitor := access.Of(r.Context()); visitor != nil && visitor.Learner != nil {
		return "/users/" + visitor.Learner.String()
	}
	return ""
}
