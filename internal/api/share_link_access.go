package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/caller"
	"learninglog/internal/problem"
)

// ShareLinks are the links by which learners show their pages to others.
type ShareLinks interface {
	// Open fails with [access.ErrUnknown] for a link that is worth nothing, and with an
	// [*access.TooManyFailuresError] if too many were.
	Open(ctx context.Context, secret string) (*access.Identity, error)
	Create(ctx context.Context, wanted access.NewShareLink) (access.ShareLink, string, error)
	List(ctx context.Context, learner uuid.UUID) ([]access.ShareLink, error)
	Revoke(ctx context.Context, learner uuid.UUID, id int64) (access.ShareLink, error)
}

const (
	linkInPath = "link"
	// shareLinkPath is the path of a page that is seen by a share link.
	shareLinkPath = access.SharePath + "{" + linkInPath + "}"
)

// requireShareLink lets through whoever has a share link that is good. To all others it looks
// the same, whatever became of theirs. Who else they are counts for nothing here.
func (s *server) requireShareLink(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		identity, err := s.openShareLink(request)
		if err != nil {
			w.Header().Set("Cache-Control", "no-store")
			s.Pages.Fail(w, request, err)
			return
		}
		ctx := caller.With(access.With(request.Context(), identity), &identity.Caller)
		*request = *request.WithContext(ctx) // in place, so that no other one has to be made
		next.ServeHTTP(w, request)
	})
}

func (s *server) openShareLink(request *http.Request) (*access.Identity, error) {
	unknown := problem.NotFound.New("It was mistyped, has expired or was revoked. Ask whoever has given it to you for another one.").
		Titled("This link leads nowhere")
	if s.ShareLinks == nil {
		return nil, unknown
	}
	identity, err := s.ShareLinks.Open(request.Context(), chi.URLParam(request, linkInPath))
	if errors.Is(err, access.ErrUnknown) {
		return nil, unknown
	}
	return identity, err
}
