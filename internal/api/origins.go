package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/cors"

	"learninglog/internal/problem"
)

// CheckOrigin returns an error that says what a name in Config.AllowedOrigins must be.
func CheckOrigin(origin string) error {
	parsed, err := url.Parse(origin)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" || strings.Contains(parsed.Host, "*") ||
		origin != parsed.Scheme+"://"+parsed.Host || origin != strings.ToLower(origin) {
		return errors.New("must be an origin as browsers send it, in small letters and without a path, such as https://app.example.com or http://localhost:5173")
	}
	return nil
}

// apiPath is the beginning of the paths of the API.
const apiPath = "/v1/"

// refuseOtherSites prevents pages of other sites from making a browser change anything here
// (CSRF), except those of allowed origins. It affects only browsers.
func (s *server) refuseOtherSites(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, problem.OtherSite.New("The Sec-Fetch-Site or the Origin header says so."))
	}))
	return s.shareWithOrigins(next, protection.Handler(next))
}

// shareWithOrigins lets pages of allowed origins use the API as programs do: with a key. All
// other requests go to others. What a browser knows of a visitor counts for nothing, because
// a page of another origin must not act in a visitor's name, and browsers send cookies to
// neighbours of the same site if a page asks for it.
func (s *server) shareWithOrigins(next, others http.Handler) http.Handler {
	if len(s.AllowedOrigins) == 0 {
		return others
	}
	const rememberFor = 10 * time.Minute // what a browser was told of an origin
	shared := cors.New(cors.Options{
		AllowedOrigins: s.AllowedOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: []string{
			"Accept", "Authorization", "Content-Encoding", "Content-Type", "If-None-Match", "Last-Event-Id", requestIDHeader,
		},
		ExposedHeaders: []string{"ETag", "Link", "Location", "Retry-After", "WWW-Authenticate", requestIDHeader},
		MaxAge:         int(rememberFor.Seconds()),
	})
	sharing := shared.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Cookie")
		next.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		_, host, _ := strings.Cut(origin, "://")
		switch {
		case !strings.HasPrefix(r.URL.Path, apiPath), host == r.Host: // a page of this service
			others.ServeHTTP(w, r)
		case origin != "" && shared.OriginAllowed(r):
			sharing.ServeHTTP(w, r)
		default:
			w.Header().Add("Vary", "Origin")
			others.ServeHTTP(w, r)
		}
	})
}
