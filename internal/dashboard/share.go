package dashboard

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/access"
)

// isShared reports whether a request is from somebody who has a share link.
func isShared(r *http.Request) bool { return access.Of(r.Context()).May(access.SeePage) }

// learnerOf returns the learner whose page a request asks for: the one of the share link, or
// the one in the address.
func learnerOf(r *http.Request) (uuid.UUID, error) {
	if isShared(r) {
		return *access.Of(r.Context()).Learner, nil
	}
	return parseUserID(chi.URLParam(r, "user_id"))
}

// base returns the address of a learner's page, without parameters, as the request has it.
func base(r *http.Request, learner uuid.UUID) string {
	if isShared(r) {
		return "/shared/" + chi.URLParam(r, "link")
	}
	return "/users/" + learner.String()
}
