package dashboard

import (
	"context"
	"net/http"

	"learninglog/internal/audit"
)

// Trail is the record of what was done, an [audit.Trail].
type Trail interface {
	Record(ctx context.Context, action audit.Action, subject string)
	List(ctx context.Context, after *audit.Cursor, limit int) (audit.Page, error)
}

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
		layout: p.newLayout(r, "Audit record"), Page: page, IsFirst: after == nil,
	})
}
