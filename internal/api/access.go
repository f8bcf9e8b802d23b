package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/caller"
	"learninglog/internal/problem"
)

// Access finds out who requests are from.
type Access interface {
	// Identify returns nil for a request that says nothing of whom it is from. It fails
	// with [access.ErrUnknown] for credentials that are worth nothing, and with an
	// [*access.TooManyFailuresError] if too many were.
	Identify(r *http.Request) (*access.Identity, error)
	// IsStillKnown fails with [access.ErrUnknown] if whoever a request was found to be from
	// is known no longer.
	IsStillKnown(r *http.Request) error
	// Forget makes a browser forget what Identify has found to be worth nothing.
	Forget(w http.ResponseWriter, r *http.Request)
	// LoginPath is where people log in, or empty if they can't.
	LoginPath() string
}

const (
	userInPath = "user_id"
	// learnerInPath is in the path of a route that is about a learner.
	learnerInPath = "{" + userInPath + "}"
)

// require lets through whoever may use the route, and others be turned away. What isn't
// theirs looks as if it weren't there.
func (s *server) require(r route, turnAway func(http.ResponseWriter, *http.Request, error)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if s.Access == nil || r.needs == access.Open {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			keepPrivate(w.Header(), request)
			ctx, err := s.admit(w, r, request, pathParameter(request, userInPath))
			*request = *request.WithContext(ctx) // in place, so that no other one has to be made
			if err != nil {
				turnAway(w, request, err)
				return
			}
			next.ServeHTTP(w, request)
		})
	}
}

// requireOperation is require for an operation of huma.
func (s *server) requireOperation(r route) func(huma.Context, func(huma.Context)) {
	return func(operation huma.Context, next func(huma.Context)) {
		if s.Access == nil {
			next(operation)
			return
		}
		request, w := humachi.Unwrap(operation)
		keepPrivate(w.Header(), request)
		ctx, err := s.admit(w, r, request, operation.Param(userInPath))
		if err != nil {
			s.turnAway(w, request, err)
			return
		}
		next(huma.WithContext(operation, ctx))
	}
}

// keepPrivate keeps the answer to a request from being shown to somebody else, whatever is
// between. What is answered to requests that change something is kept by nobody anyway.
func keepPrivate(header http.Header, request *http.Request) {
	if request.Method == http.MethodGet || request.Method == http.MethodHead {
		header.Add("Vary", "Authorization, Cookie")
		header.Set("Cache-Control", "private, no-cache")
	}
}

// admit returns the context of a request, which says whom it is from if that is known. It
// fails unless they may use the route. learner is the one in its path, or empty.
func (s *server) admit(w http.ResponseWriter, r route, request *http.Request, learner string) (context.Context, error) {
	ctx := request.Context()
	identity, err := s.Access.Identify(request)
	switch {
	case errors.Is(err, access.ErrUnknown):
		s.Access.Forget(w, request)
		return ctx, problem.Unauthenticated.New("The key, the token or the session is not known, has expired or was revoked.")
	case err != nil:
		return ctx, err
	case identity == nil:
		return ctx, problem.Unauthenticated.New("The request has no key and no token.")
	}
	ctx = caller.With(access.With(ctx, identity), &identity.Caller)
	switch {
	case !identity.May(r.needs):
		return ctx, problem.Forbidden.New("This needs the scope " + string(r.needs) + ".")
	case learner != "" && identity.Learner != nil && !isKnown(identity, learner):
		return ctx, problem.NotFound.New("")
	}
	return ctx, nil
}

func isKnown(identity *access.Identity, learner string) bool {
	id, err := uuid.Parse(learner)
	return err == nil && identity.Knows(id)
}

// turnAway answers with why somebody may not use a route.
func (s *server) turnAway(w http.ResponseWriter, request *http.Request, err error) {
	wrong := s.Problems.Of(request.Context(), err, "")
	challenge(w.Header(), wrong)
	s.refuse(w, request, wrong)
}

// challenge says how a request that is answered with a problem can say whom it is from.
func challenge(header http.Header, wrong *problem.Problem) {
	if wrong.Kind() == problem.Unauthenticated {
		header.Set("WWW-Authenticate", `Bearer realm="learninglog"`)
	}
}

// turnAwayFromPage is turnAway for people. Those who aren't logged in are led to where they
// can be, and whoever may not see the start page to the first one that they may.
func (s *server) turnAwayFromPage(w http.ResponseWriter, request *http.Request, err error) {
	wrong := s.Problems.Of(request.Context(), err, "")
	login := s.Access.LoginPath()
	isRead := request.Method == http.MethodGet || request.Method == http.MethodHead
	if wrong.Kind() == problem.Unauthenticated && login != "" && isRead {
		next := url.Values{"next": {request.URL.RequestURI()}}
		http.Redirect(w, request, login+"?"+next.Encode(), http.StatusSeeOther)
		return
	}
	if first := s.firstPage(access.Of(request.Context())); wrong.Kind() == problem.Forbidden && request.URL.Path == "/" && first != "" {
		http.Redirect(w, request, first, http.StatusSeeOther)
		return
	}
	challenge(w.Header(), wrong)
	if wrong.Kind() == problem.NotFound {
		wrong = notTheirs(pathParameter(request, userInPath))
	}
	s.Pages.Fail(w, request, wrong)
}

// notTheirs is the problem of a page that isn't of the visitor, who is a learner.
func notTheirs(learner string) *problem.Problem {
	if _, err := uuid.Parse(learner); err != nil {
		return problem.NotALearner(learner)
	}
	return problem.NotFound.New("It may be another learner's, or nobody's.").Titled("This page isn't yours")
}

// isStillKnown fails if whoever a long request is from has expired or was revoked since it
// was admitted. While nobody can tell, they go on being known.
func (s *server) isStillKnown(request *http.Request) error {
	if s.Access == nil {
		return nil
	}
	if errors.Is(s.Access.IsStillKnown(request), access.ErrUnknown) {
		return problem.Unauthenticated.New("The key, the token or the session has expired or was revoked since the request began.")
	}
	return nil
}

// firstPage returns the first page that a visitor may see besides the start page, or nothing.
func (s *server) firstPage(visitor *access.Identity) string {
	switch {
	case s.Pages.Operator != nil && visitor.May(access.Rebuilds):
		return "/admin"
	case s.Pages.ListKeys != nil && visitor.May(access.ManageKeys):
		return "/admin/keys"
	default:
		return ""
	}
}

// identity returns who a request is from.
func (s *server) identity(ctx context.Context) *access.Identity {
	if s.Access == nil {
		return s.everybody
	}
	return access.Of(ctx)
}
