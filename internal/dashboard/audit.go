package dashboard

import (
	"net/http"

	"learninglog/internal/audit"
)

// auditPage is a page of what was done by whom.
type auditPage struct {
	layout
	audit.Page

	// IsFirst says that it is the page of the newest records.
	IsFirst bool
}

const shownRecords = 50

// showAudit shows what was done by whom.
func (p *Pages) showAudit(w http.ResponseWriter, r *http.Request) error {
	var after *audit.Cursor
	if text := r.URL.Query().Get("after"); text != "" {
		cursor, err := audit.ParseCursor(text)
		if err != nil {
			return err
		}
		after = &cursor
	}
	page, err := p.Trail.List(r.Context(), after, shownRecords)
	if err != nil {
		return err
	}
	return p.render(w, r, http.StatusOK, "audit", auditPage{
		layout: p.newLayout(r, "Audit record").inEnglish(), Page: page, IsFirst: after == nil,
	})
}
