package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/audit"
	"learninglog/internal/problem"
	"learninglog/learning"
)

// Recorder takes logs back, and changes settings: a [command.Recorder].
type Recorder interface {
	Void(ctx context.Context, targets []command.Target) []command.Outcome
	ChangeSettings(ctx context.Context, user uuid.UUID, settings learning.Settings) error
}

// void takes a log back, and leads to the view that the address has as its parameters.
// Doing it again changes nothing.
func (p *Pages) void(w http.ResponseWriter, r *http.Request) error {
	userID, err := parseUserID(chi.URLParam(r, "user_id"))
	if err != nil {
		return err
	}
	unknown := problem.NotFound.New("This learner has no log with this request id.").Titled("There is no such log")
	requestID, err := uuid.Parse(chi.URLParam(r, "request_id"))
	if err != nil {
		return unknown
	}
	outcome := p.Recorder.Void(r.Context(), []command.Target{{UserID: userID, RequestID: requestID}})[0]
	var voided audit.Voided
	voided.Add(outcome)
	voided.Record(r.Context(), p.Trail)
	switch outcome.Status {
	case command.Voided, command.AlreadyVoided:
		http.Redirect(w, r, viewAddress(userID, r.URL.Query(), "logs"), http.StatusSeeOther) //nolint:gosec // it leads to this very site
		return nil
	case command.Unknown:
		return problem.NoSuchLog(p.Reader.PurgedBefore()).Titled(unknown.Title)
	case command.Erased:
		return problem.Erased.New("")
	default:
		return fmt.Errorf("taking a log back: %s: %w", outcome.Status, outcome.Err)
	}
}

// voidAddress returns the address to which is posted that a log is taken back. view has
// the parameters of the page to which that leads.
func voidAddress(userID, requestID uuid.UUID, view string) string {
	return "/users/" + userID.String() + "/learning-logs/" + requestID.String() + "/void?" + view
}

// viewAddress returns the address of a part of a learner's page. Of the parameters it has
// those that such an address may have, so whatever they are, it is one of this site.
func viewAddress(userID uuid.UUID, parameters url.Values, part string) string {
	kept := url.Values{}
	for _, name := range []string{"by", "from", "to", "year", "averages", "ids", "voided", "after"} {
		if value := parameters.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	return "/users/" + userID.String() + "?" + kept.Encode() + "#" + part
}
