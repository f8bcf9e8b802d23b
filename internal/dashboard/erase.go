package dashboard

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
)

// erase asks that everything of a learner is deleted, and shows the job that does so.
func (p *Pages) erase(w http.ResponseWriter, r *http.Request) error {
	userID, err := parseUserID(chi.URLParam(r, "user_id"))
	if err != nil {
		return err
	}
	if _, err := p.Jobs.Erase(r.Context(), []uuid.UUID{userID}); err != nil {
		return err
	}
	http.Redirect(w, r, "/admin#rebuilds", http.StatusSeeOther)
	return nil
}
