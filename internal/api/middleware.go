package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"

	"learninglog/internal/problem"
)

// middleware wraps every route, and what is answered where there is none. The
// first is the outermost.
func (s *server) middleware() chi.Middlewares {
	return chi.Chain(
		identify,
		s.observe,
		s.recoverPanics,
		refuseOtherSites,
		middleware.GetHead,
	)
}

// refuseOtherSites keeps the pages of other sites from having a browser change
// anything here. What isn't a browser isn't concerned.
func refuseOtherSites(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		problem.OtherSite.New("The Sec-Fetch-Site or the Origin header says so.").WriteJSON(w)
	}))
	return protection.Handler(next)
}

const requestIDHeader = "X-Request-Id"

// identify gives the request an id, under which it is logged and which the
// client is told: the one that it came with, or a new one. It has nothing to do
// with the request id of a learning log.
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

// recoverPanics answers a mistake of the program with a problem instead of a
// connection that breaks off; unless the answer has begun, of which a problem would
// seem to be a part.
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
			if answer, ok := w.(middleware.WrapResponseWriter); ok && answer.Status() != 0 { // it is observe's
				panic(http.ErrAbortHandler)
			}
			problem.Internal.New("").WriteJSON(w)
		}()
		next.ServeHTTP(w, r)
	})
}

// checkQuery refuses what url.Query would silently drop: parameters that can't be
// read, and all but the first of those that are repeated.
func checkQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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

func (s *server) notFound(w http.ResponseWriter, _ *http.Request) {
	problem.NotFound.New("What there is stands in /docs.").WriteJSON(w)
}

// methodNotAllowed answers 405 and, as chi's own handler would, which methods
// are allowed.
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
		problem.MethodNotAllowed.New("Allowed are: " + strings.Join(allowed, ", ") + ".").WriteJSON(w)
	}
}
