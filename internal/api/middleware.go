package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// middleware returns what wraps every route, and also the answers to unknown paths.
// The first is the outermost.
func (s *server) middleware() chi.Middlewares {
	return chi.Chain(
		s.lookBehindProxies,
		identify,
		restrictBrowsers,
		s.observe,
		s.discardRest,
		s.recoverPanics,
		s.refuseOtherHosts,
		s.refuseOtherSites,
		s.refuseLongQueries,
		middleware.GetHead,
	)
}

// restrictBrowsers makes browsers take every response for what its Content-Type says, so that
// none which has text of a client is run as a script or shown as a page; and it keeps other
// sites from showing anything of this one within theirs. Pages also don't tell others their
// addresses, which have the ids of learners. There is no Strict-Transport-Security: the service
// speaks no TLS, so that is for whoever does.
func restrictBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !strings.HasPrefix(r.URL.Path, apiPath) {
			header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
			// Without any referrer, browsers would also leave out the origin of a form.
			header.Set("Referrer-Policy", "same-origin")
		}
		if access.IsSharePath(r.URL.Path) { // which is secret, and has no form that changes anything
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("X-Robots-Tag", "noindex")
		}
		next.ServeHTTP(w, r)
	})
}

const requestIDHeader = "X-Request-Id"

// identify gives every HTTP request an id for the log and the response: the id that
// came with the request, or a new one. It has nothing to do with the request id of a
// learning log.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !isReasonableID(id) {
			id = uuid.NewString()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(problem.WithRequestID(r.Context(), id)))
	})
}

func isReasonableID(id string) bool {
	const longest = 128
	isOdd := func(r rune) bool { return r <= ' ' || r > '~' }
	return id != "" && len(id) <= longest && !strings.ContainsFunc(id, isOdd)
}

// recoverPanics answers a panic with a problem, so that the connection doesn't just
// break off. If the response has begun, the connection is aborted, because the
// problem would look like a part of it.
func (s *server) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			s.Logger.ErrorContext(r.Context(), "a request panicked",
				slog.Any("panic", cause), slog.String("stack", string(debug.Stack())), problem.LogID(r.Context()))
			if answer, ok := w.(middleware.WrapResponseWriter); ok && answer.Status() != 0 { // the wrapper comes from observe
				panic(http.ErrAbortHandler)
			}
			s.refuse(w, r, problem.Internal.New(""))
		}()
		next.ServeHTTP(w, r)
	})
}

// refuseLongQueries refuses a query with more parameters than any path has. Otherwise each
// of thousands would be told to be none.
func (s *server) refuseLongQueries(next http.Handler) http.Handler {
	const most = 50
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Count(r.URL.RawQuery, "&") >= most {
			s.refuse(w, r, problem.Invalid.New("", problem.Field{
				Location: "query", Message: fmt.Sprintf("must have at most %d parameters", most), Value: short(r.URL.RawQuery),
			}))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkQuery refuses parameters that url.Query would silently drop: those that can't
// be parsed, and repeated ones.
func checkQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			next.ServeHTTP(w, r)
			return
		}
		parameters, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			problem.Invalid.New("", problem.Field{
				Location: "query", Message: "must be pairs of name=value, joined by &, with % and ; escaped", Value: short(r.URL.RawQuery),
			}).WriteJSON(w)
			return
		}
		for name, values := range parameters {
			if len(values) > 1 {
				problem.Invalid.New("", problem.Field{Location: "query." + short(name), Message: "must be given once"}).WriteJSON(w)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	if s.wantsPage(r) {
		wrong := problem.NotFound.New("The address may be mistyped, or what it named is gone.").Titled("There is no such page")
		s.refuse(w, s.withVisitor(r), wrong)
		return
	}
	s.refuse(w, r, problem.NotFound.New("What there is stands in /docs."))
}

// methodNotAllowed answers 405 with the allowed methods, as chi's own handler does.
func (s *server) methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	methods := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	}
	return func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, method := range methods {
			get := method == http.MethodHead && routes.Match(chi.NewRouteContext(), http.MethodGet, r.URL.Path)
			if get || routes.Match(chi.NewRouteContext(), method, r.URL.Path) {
				allowed = append(allowed, method)
			}
		}
		if allowed == nil {
			s.notFound(w, r)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		if s.wantsPage(r) {
			r = s.withVisitor(r)
		}
		s.refuse(w, r, problem.MethodNotAllowed.New("Allowed are: "+strings.Join(allowed, ", ")+"."))
	}
}
