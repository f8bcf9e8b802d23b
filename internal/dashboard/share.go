package dashboard

import (
	"context"
	"errors"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// ShareLinks are the links by which learners show their pages to others.
type ShareLinks interface {
	Create(ctx context.Context, wanted access.NewShareLink) (access.ShareLink, string, error)
	List(ctx context.Context, learner uuid.UUID) ([]access.ShareLink, error)
	Revoke(ctx context.Context, learner uuid.UUID, id int64) (access.ShareLink, error)
}

// sharePage is what the page of a learner's share links shows.
type sharePage struct {
	layout

	// Base is the address of the learner's page.
	Base string
	// Links are those that are good, the newest first.
	Links []access.ShareLink
	// Created is the link that was just created, and Link its address, of which the secret is
	// shown this one time.
	Created *access.ShareLink
	Link    string
	Form    shareForm
}

// Embed is what shows a badge on a page of another site.
func (p sharePage) Embed(badge string) string {
	return `<a href="` + html.EscapeString(p.Link) + `"><img src="` + html.EscapeString(p.Link+"/"+badge) + `" alt="` + badgeText + `"></a>`
}

const badgeText = "What I learned"

// MostLinks is how many links a learner can have.
func (sharePage) MostLinks() int { return access.MaxShareLinks }

// shareForm is what the form sends.
type shareForm struct {
	Name, Days string
	// Wrong says what is wrong with it.
	Wrong string
}

// The days for which a link is good.
const (
	usualDays = int(access.ShareLinkLasts / (24 * time.Hour))
	mostDays  = 365
)

// wanted returns the link in the form, which is checked. The text of its error begins with the
// name of what is wrong.
func (f shareForm) wanted(learner uuid.UUID, now time.Time) (access.NewShareLink, error) {
	days, err := strconv.Atoi(f.Days)
	if err != nil || days < 1 || days > mostDays {
		return access.NewShareLink{}, errors.New("days must be a whole number from 1 to " + strconv.Itoa(mostDays))
	}
	wanted := access.NewShareLink{UserID: learner, Name: f.Name, ExpiresAt: now.AddDate(0, 0, days)}
	err = wanted.Check(now)
	if wrong, ok := errors.AsType[*access.InvalidKeyError](err); ok {
		return access.NewShareLink{}, errors.New(labelOf(wrong.Field) + " " + wrong.Message)
	}
	return wanted, err
}

// shareLinks shows the share links of a learner.
func (p *Pages) shareLinks(w http.ResponseWriter, r *http.Request) error {
	return p.showShareLinks(w, r, http.StatusOK, sharePage{Form: shareForm{Days: strconv.Itoa(usualDays)}})
}

func (p *Pages) showShareLinks(w http.ResponseWriter, r *http.Request, status int, page sharePage) error {
	learner, err := learnerOf(r)
	if err != nil {
		return err
	}
	page.layout, page.Base = p.newLayout(r, "Share"), base(r, learner)
	page.Links, err = p.ShareLinks.List(r.Context(), learner)
	if page.Created != nil { // it must be shown in any case
		return p.renderSecret(w, "share", page)
	}
	if err != nil {
		return err
	}
	return p.render(w, r, status, "share", page)
}

// createShareLink creates the link in the form, and shows it.
func (p *Pages) createShareLink(w http.ResponseWriter, r *http.Request) error {
	const most = 16 << 10
	learner, err := learnerOf(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	if err := r.ParseForm(); err != nil {
		return problem.Unreadable.New("Go back, and send it again.").Titled("The form can't be read")
	}
	form := shareForm{Name: strings.TrimSpace(r.PostForm.Get("name")), Days: strings.TrimSpace(r.PostForm.Get("days"))}
	wanted, err := form.wanted(learner, time.Now())
	if err != nil {
		form.Wrong = capital(err.Error()) + "."
		return p.showShareLinks(w, r, http.StatusUnprocessableEntity, sharePage{Form: form})
	}
	link, secret, err := p.ShareLinks.Create(r.Context(), wanted)
	if err != nil {
		return err
	}
	return p.showShareLinks(w, r, http.StatusCreated, sharePage{
		Created: &link, Link: origin(r) + access.SharePath + secret, Form: shareForm{Days: strconv.Itoa(usualDays)},
	})
}

// revokeShareLink revokes a link, and leads back to the others.
func (p *Pages) revokeShareLink(w http.ResponseWriter, r *http.Request) error {
	learner, err := learnerOf(r)
	if err != nil {
		return err
	}
	_, err = p.ShareLinks.Revoke(r.Context(), learner, keyID(r))
	if errors.Is(err, access.ErrNotFound) {
		return problem.NotFound.New("It has expired or was revoked.").Titled("There is no such link")
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, base(r, learner)+"/share-links", http.StatusSeeOther) //nolint:gosec // it leads to this very site
	return nil
}

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
		return access.SharePath + chi.URLParam(r, "link")
	}
	return "/users/" + learner.String()
}
