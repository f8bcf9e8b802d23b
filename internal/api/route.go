package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// route is a row of the table of routes.
type route struct {
	method string // or anyMethod
	path   string
	needs  access.Scope
	// serve adds the handler of the route. If it is nil, the route doesn't exist.
	serve endpoint
	// problems are the kinds of problems that it can be answered with, besides those
	// that all can, or all that need a scope: see kinds.
	problems []problem.Kind
}

const anyMethod = ""

// endpoint adds the handler of a route to the router. If clients are meant to use
// the route, it also adds it to the OpenAPI document.
type endpoint func(s *server, router chi.Router, r route)

// addRoutes adds every route of the table. It fails if one doesn't say what it needs.
func (s *server) addRoutes(router chi.Router) error {
	for _, r := range s.routes() {
		if r.needs != access.Open && r.needs != access.SeePage && !slices.Contains(access.Scopes(), r.needs) {
			return fmt.Errorf("the route %s %s needs %q, which is no scope", r.method, r.path, r.needs)
		}
		if r.serve != nil {
			r.serve(s, router, r)
			s.problems[r.method+" "+r.path] = r.kinds()
		}
	}
	return nil
}

// kinds returns all kinds of problems that the route can be answered with.
func (r route) kinds() []problem.Kind {
	kinds := append([]problem.Kind{problem.Invalid, problem.OtherHost, problem.Internal}, r.problems...)
	if r.method != http.MethodGet {
		kinds = append(kinds, problem.OtherSite)
	}
	if r.needs == access.Open {
		return kinds
	}
	kinds = append(kinds, problem.Unauthenticated, problem.Forbidden, problem.TooManyFailures)
	if strings.Contains(r.path, learnerInPath) {
		kinds = append(kinds, problem.NotFound)
	}
	return append(kinds, problem.Unavailable) // while nobody can tell whose the key is
}

// isExpected reports whether the line of a route, by its pattern, allows the status of
// an error. Of requests without a line nothing is known.
func (s *server) isExpected(method, pattern string, status int) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	problems, ok := s.problems[method+" "+pattern]
	if !ok {
		problems, ok = s.problems[anyMethod+" "+pattern]
	}
	if !ok {
		return true
	}
	return slices.ContainsFunc(problems,
		func(kind problem.Kind) bool { return kind.Status == status })
}

// operation is handled by huma. All errors are answered as problems.
func operation[I, O any](documentation huma.Operation, handle func(context.Context, *I) (*O, error)) endpoint {
	return func(s *server, _ chi.Router, r route) {
		documentation := documentation
		r.document(s, &documentation)
		if r.needs != access.Open {
			documentation.Middlewares = append(documentation.Middlewares, s.requireOperation(r))
		}
		in := "query"
		// huma reads the body if it is documented before the operation is registered.
		body := documentation.RequestBody
		documentation.RequestBody = nil
		if body != nil {
			in = "body"
		}
		huma.Register(s.api, documentation, func(ctx context.Context, input *I) (*O, error) {
			if r.method == http.MethodGet {
				var cancel context.CancelFunc
				ctx, cancel = s.limitTime(ctx)
				defer cancel()
			}
			output, err := handle(ctx, input)
			if err != nil {
				return nil, s.Problems.Of(ctx, err, in)
			}
			return output, nil
		})
		if body != nil {
			item := s.api.OpenAPI().Paths[r.path]
			map[string]*huma.Operation{http.MethodPost: item.Post, http.MethodPut: item.Put}[r.method].RequestBody = body
		}
	}
}

// rawOperation is handled by handle; huma only documents it.
func rawOperation(documentation *huma.Operation, handle http.HandlerFunc) endpoint {
	return func(s *server, router chi.Router, r route) {
		r.document(s, documentation)
		s.api.OpenAPI().AddOperation(documentation)
		router.With(checkQuery, s.require(r, s.turnAway)).Method(r.method, r.path, handle)
	}
}

// readOperation is handled by handle. huma documents it, with the parameters of the input I.
func readOperation[I any](documentation huma.Operation, handle http.HandlerFunc) endpoint {
	return func(s *server, router chi.Router, r route) {
		r.document(s, &documentation)
		huma.Register(humachi.New(chi.NewMux(), s.humaConfig), documentation, // which nobody is served by
			func(context.Context, *I) (*huma.StreamResponse, error) { return nil, nil })
		router.With(checkQuery, holdRoom, s.require(r, s.turnAway)).Method(r.method, r.path, handle)
	}
}

// plain is handled by handler, and isn't in the OpenAPI document.
func plain(handler http.Handler) endpoint {
	return func(s *server, router chi.Router, r route) {
		router.With(checkQuery, s.require(r, s.turnAway)).Method(r.method, r.path, handler)
	}
}

// page is a web page, which checks its own parameters. If handler is nil, there is
// no page.
func page(handler http.Handler) endpoint {
	if handler == nil {
		return nil
	}
	return func(s *server, router chi.Router, r route) {
		if r.needs == access.SeePage {
			router = router.With(s.requireShareLink)
		} else {
			router = router.With(s.require(r, s.turnAwayFromPage))
		}
		if r.method == http.MethodGet && r.needs != access.Open && slices.Contains(r.problems, problem.Unavailable) { // it reads the database
			router = router.With(s.boundPage)
		}
		if r.method == anyMethod {
			router.Handle(r.path, handler)
		} else {
			router.Method(r.method, r.path, handler)
		}
	}
}

// document adds the properties of the route, and the problems that can always
// happen, to the documentation of an operation.
func (r route) document(s *server, documentation *huma.Operation) {
	documentation.Method, documentation.Path = r.method, r.path
	if r.needs != access.Open {
		// Without --auth, nothing is needed.
		documentation.Security = []map[string][]string{{securityBearer: {string(r.needs)}}, {}}
		documentation.Description = strings.TrimSpace(documentation.Description + "\n\nNeeds the scope `" + string(r.needs) + "`, where the service asks for keys.")
	}
	if documentation.Responses == nil {
		documentation.Responses = make(map[string]*huma.Response)
	}
	s.documentProblems(documentation.Responses, r.kinds())
}

// Pages are the handlers of the web pages; nil means no page. A learner's page takes logs
// back by Void, changes settings by ChangeSettings, and Erase forgets the learner. The operator's pages begin and cancel rebuilds, re-zones and purges, resume
// queues, and show what was done by whom. Jobs serves everything below [JobsPath].
type Pages struct {
	Static, Start, FindUser, Learner, Void, Erase          http.Handler
	ChangeSettings                                         http.Handler
	LogIn, LogInWithKey, StartLogin, FinishLogin, LogOut   http.Handler
	Operator, RequestRebuild, RequestRezone, CancelRebuild http.Handler
	RequestPurge, CancelWaiting                            http.Handler
	ResumeQueue, Audit                                     http.Handler
	ListKeys, CreateKey, RotateKey, RevokeKey              http.Handler
	StreakBadge, CalendarBadge                             http.Handler
	ListShareLinks, CreateShareLink, RevokeShareLink       http.Handler
	Jobs                                                   http.Handler
	// Fail shows why there is no page. It must be set if there are pages.
	Fail func(http.ResponseWriter, *http.Request, error)
}

// startOrDocs returns the start page, or a redirect to the docs if there is none.
func (p Pages) startOrDocs() http.Handler {
	if p.Start == nil {
		return http.RedirectHandler("/docs/", http.StatusFound)
	}
	return p.Start
}

func (p Pages) redirectToOperator() http.Handler {
	if p.Operator == nil {
		return nil
	}
	return http.RedirectHandler("/admin", http.StatusMovedPermanently)
}
