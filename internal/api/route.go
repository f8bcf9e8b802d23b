package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"learninglog/internal/problem"
)

// route is a line of the table of routes.
type route struct {
	method string // or anyMethod
	path   string
	needs  scope
	// serve is how it is answered. Nil leaves it out.
	serve endpoint
	// problems are those that it can be answered with, beside the ones that can
	// always happen.
	problems []problem.Kind
}

const anyMethod = ""

// scope is what a caller must be allowed to do.
type scope string

// open is for everybody.
const open scope = "open"

// endpoint adds what a route serves to the router, and to the OpenAPI document if
// clients are written for it.
type endpoint func(s *server, router chi.Router, r route)

// addRoutes adds every route of the table.
func (s *server) addRoutes(router chi.Router) {
	for _, r := range s.routes() {
		if r.serve != nil {
			r.serve(s, router, r)
		}
	}
}

// operation is answered by huma. Errors are answered as problems, whatever they are.
func operation[I, O any](documentation huma.Operation, handle func(context.Context, *I) (*O, error)) endpoint {
	return func(s *server, _ chi.Router, r route) {
		r.document(s, &documentation)
		// huma reads a body that is documented when the operation is registered.
		body, in := documentation.RequestBody, "query"
		if documentation.RequestBody = nil; body != nil {
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
			s.api.OpenAPI().Paths[r.path].Post.RequestBody = body
		}
	}
}

// documented is answered by handle, and only documented by huma.
func documented(documentation *huma.Operation, handle http.HandlerFunc) endpoint {
	return func(s *server, router chi.Router, r route) {
		r.document(s, documentation)
		s.api.OpenAPI().AddOperation(documentation)
		router.With(checkQuery).Method(r.method, r.path, handle)
	}
}

// plain is answered by handler, and isn't in the document.
func plain(handler http.Handler) endpoint {
	return func(_ *server, router chi.Router, r route) {
		router.With(checkQuery).Method(r.method, r.path, handler)
	}
}

// page is a web page, whose parameters are its own. Nil is none.
func page(handler http.Handler) endpoint {
	if handler == nil {
		return nil
	}
	return func(_ *server, router chi.Router, r route) {
		if r.method == anyMethod {
			router.Handle(r.path, handler)
		} else {
			router.Method(r.method, r.path, handler)
		}
	}
}

// document adds to the documentation of an operation what the route says of it, and
// the problems that can always happen.
func (r route) document(s *server, documentation *huma.Operation) {
	documentation.Method, documentation.Path = r.method, r.path
	if documentation.Responses == nil {
		documentation.Responses = make(map[string]*huma.Response)
	}
	for _, kind := range append([]problem.Kind{problem.Invalid, problem.Internal}, r.problems...) {
		response := &huma.Response{
			Description: http.StatusText(kind.Status),
			Content:     map[string]*huma.MediaType{problem.MediaType: {Schema: s.problemSchema()}},
		}
		if kind == problem.Unavailable {
			response.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "Seconds to wait before the same request is sent again.",
				Schema:      &huma.Schema{Type: huma.TypeInteger},
			}}
		}
		documentation.Responses[fmt.Sprint(kind.Status)] = response
	}
}

// Pages are the web pages, each a handler; nil is none. Those of operators begin and
// cancel rebuilds, and Jobs serves everything below [JobsPath].
type Pages struct {
	Static, Start, FindUser, Learner        http.Handler
	Operator, RequestRebuild, CancelRebuild http.Handler
	Jobs                                    http.Handler
}

// startOrDocs returns the start page, or leads to the docs where there is none.
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
