package access

import (
	"net/http"
	"time"
)

// Cookie is one that only this service gets, and no script.
type Cookie string

const (
	// SessionCookie has the secret of a session.
	SessionCookie Cookie = "learninglog"
	// AttemptCookie has what the service must remember while a person logs in elsewhere.
	AttemptCookie Cookie = "learninglog-login"
)

// Cookies are how browsers keep things for the service.
type Cookies struct {
	// Secure says that browsers reach the service by https.
	Secure bool
}

// name returns the name that a cookie has. With the prefix, browsers take it from no other
// host and over nothing but https, so no neighbour can replace it.
func (c Cookies) name(of Cookie) string {
	if c.Secure {
		return "__Host-" + string(of)
	}
	return string(of)
}

// Get returns the value of a cookie, or nothing if there is none.
func (c Cookies) Get(r *http.Request, of Cookie) string {
	cookie, err := r.Cookie(c.name(of))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// Set makes the browser keep a cookie for some time, or none any more if that is 0. Pages of
// other sites may lead here with it (otherwise logging in elsewhere couldn't lead back), but
// can't post with it.
func (c Cookies) Set(w http.ResponseWriter, of Cookie, value string, lasts time.Duration) {
	maxAge := int(lasts.Seconds())
	if maxAge == 0 {
		maxAge = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // it is secure wherever it can be
		Name: c.name(of), Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
