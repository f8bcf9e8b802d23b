package dashboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/language"
	"learninglog/internal/problem"
	"learninglog/query"
	"learninglog/rollup"
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
	// clock is the learner's.
	clock query.Clock
}

// Moment writes an instant as the learner's clock shows it.
func (p sharePage) Moment(t time.Time) string { return p.layout.Moment(t.In(p.clock.Zone)) }

// Offset is that of the learner's clock.
func (p sharePage) Offset() string { return rollup.OffsetAt(p.clock.Now, p.clock.Zone).String() }

// Embed is what shows a badge on a page of another site.
func (p sharePage) Embed(badge string) string {
	return fmt.Sprintf(`<a href="%s"><img src="%s" alt="%s"></a>`,
		html.EscapeString(p.Link), html.EscapeString(p.Link+"/"+badge), html.EscapeString(p.Text("share.badge_text")))
}

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

// wanted returns the link in the form, which is checked. What is wrong is a sentence, or empty.
func (f shareForm) wanted(l *language.Locale, learner uuid.UUID, now time.Time) (wanted access.NewShareLink, wrong string) {
	days, err := strconv.Atoi(f.Days)
	if err != nil || days < 1 || days > mostDays {
		return access.NewShareLink{}, l.Text("share.wrong_days", "most", mostDays)
	}
	wanted = access.NewShareLink{UserID: learner, Name: f.Name, ExpiresAt: now.AddDate(0, 0, days)}
	if wanted.Check(now) != nil { // so many days are right
		return access.NewShareLink{}, l.Text("share.wrong_name", "most", access.MaxName)
	}
	return wanted, ""
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
	page.layout, page.Base = p.newLayout(r, localeOf(r).Text("share.title")), base(r, learner)
	err = p.readShareLinks(r.Context(), learner, &page)
	if page.Created != nil { // it must be shown in any case
		return p.renderSecret(w, "share", page)
	}
	if err != nil {
		return err
	}
	return p.render(w, r, status, "share", page)
}

// readShareLinks reads the links of a learner. If it fails, there are none.
func (p *Pages) readShareLinks(ctx context.Context, learner uuid.UUID, page *sharePage) error {
	now := time.Now()
	clock, err := p.Reader.Clock(ctx, learner, now)
	if err != nil {
		page.clock = query.Clock{Now: now, Zone: p.Zone}
		return err
	}
	page.clock = clock
	page.Links, err = p.ShareLinks.List(ctx, learner)
	return err
}

// createShareLink creates the link in the form, and shows it.
func (p *Pages) createShareLink(w http.ResponseWriter, r *http.Request) error {
	learner, err := learnerOf(r)
	if err != nil {
		return err
	}
	if err := readForm(w, r); err != nil {
		return err
	}
	form := shareForm{Name: strings.TrimSpace(r.PostForm.Get("name")), Days: strings.TrimSpace(r.PostForm.Get("days"))}
	wanted, wrong := form.wanted(localeOf(r), learner, time.Now())
	if wrong != "" {
		form.Wrong = wrong
		return p.showShareLinks(w, r, http.StatusUnprocessableEntity, sharePage{Form: form})
	}
	link, secret, err := p.ShareLinks.Create(r.Context(), wanted)
	if errors.Is(err, access.ErrTooManyShareLinks) {
		form.Wrong = localeOf(r).Text("share.too_many", "most", access.MaxShareLinks)
		return p.showShareLinks(w, r, http.StatusConflict, sharePage{Form: form})
	}
	if err != nil {
		return err
	}
	return p.showShareLinks(w, r, http.StatusCreated, sharePage{
		Created: &link, Link: cmp.Or(p.PublicURL, origin(r)) + access.SharePath + secret, Form: shareForm{Days: strconv.Itoa(usualDays)},
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
