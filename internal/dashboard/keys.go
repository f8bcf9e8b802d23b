package dashboard

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/problem"
)

// keysPage is what the page of keys shows.
type keysPage struct {
	layout

	Keys []shownKey
	// Created is the key that was just created, and Secret what is shown of it this one time.
	Created *access.Key
	Secret  string
	Form    keyForm
}

// shownKey is a row of the page.
type shownKey struct {
	access.Key

	now time.Time
}

// Shown is the state.
func (k shownKey) Shown() string { return k.State(k.now) }

// IsActive reports whether it can be used.
func (k shownKey) IsActive() bool { return k.State(k.now) == "active" }

// keyForm is what the form sends.
type keyForm struct {
	Name, User, Days, Rate string
	Scopes                 []string
	// Wrong says what is wrong with it.
	Wrong string
}

// Has reports whether a scope is chosen.
func (f keyForm) Has(scope access.Scope) bool { return slices.Contains(f.Scopes, string(scope)) }

// AllScopes are those that can be chosen.
func (keyForm) AllScopes() []access.Scope { return access.Scopes() }

func (p *Pages) keys(w http.ResponseWriter, r *http.Request) error {
	return p.showKeys(w, r, http.StatusOK, keysPage{})
}

func (p *Pages) showKeys(w http.ResponseWriter, r *http.Request, status int, page keysPage) error {
	page.layout = p.newLayout(r, "Keys").inEnglish()
	listed, err := p.Keys.List(r.Context())
	if err != nil && page.Secret == "" { // which must be shown in any case
		return err
	}
	for _, key := range listed {
		page.Keys = append(page.Keys, shownKey{key, time.Now()})
	}
	if page.Secret != "" {
		return p.renderSecret(w, "keys", page)
	}
	return p.render(w, r, status, "keys", page)
}

// renderSecret answers with a page that nobody may keep.
func (p *Pages) renderSecret(w http.ResponseWriter, name string, page inLanguage) error {
	text, err := p.execute(name, page)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	tellLanguage(w.Header(), page)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(text) // who is gone can make another one
	return nil
}

// createKey creates the key in the form, and shows it.
func (p *Pages) createKey(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	form := keyForm{
		Name:   strings.TrimSpace(r.PostForm.Get("name")),
		User:   strings.TrimSpace(r.PostForm.Get("user")),
		Days:   strings.TrimSpace(r.PostForm.Get("days")),
		Rate:   strings.TrimSpace(r.PostForm.Get("rate")),
		Scopes: r.PostForm["scope"],
	}
	wanted, err := form.wanted()
	if err != nil {
		form.Wrong = capital(err.Error()) + "."
		return p.showKeys(w, r, http.StatusUnprocessableEntity, keysPage{Form: form})
	}
	return p.showCreated(w, r, func() (access.Key, string, error) { return p.Keys.Create(r.Context(), wanted) })
}

// wanted returns the key in the form, which is checked. The text of its error begins with the name of what is
// wrong.
func (f keyForm) wanted() (wanted access.NewKey, err error) {
	wanted.Name = f.Name
	for _, scope := range f.Scopes {
		wanted.Scopes = append(wanted.Scopes, access.Scope(scope))
	}
	if f.User != "" {
		user, err := uuid.Parse(f.User)
		if err != nil {
			return access.NewKey{}, errors.New("the learner must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
		}
		wanted.UserID = &user
	}
	if f.Days != "" {
		days, err := strconv.Atoi(f.Days)
		if err != nil || days < 1 || days > 36_500 {
			return access.NewKey{}, errors.New("days must be a whole number from 1 to 36500")
		}
		wanted.ExpiresAt = new(time.Now().AddDate(0, 0, days))
	}
	if f.Rate != "" {
		if wanted.LogsPerSecond, err = strconv.Atoi(f.Rate); err != nil || wanted.LogsPerSecond < 1 {
			return access.NewKey{}, errors.New("logs a second must be a whole number from 1")
		}
	}
	err = wanted.Check(time.Now())
	if wrong, ok := errors.AsType[*access.InvalidError](err); ok {
		return access.NewKey{}, errors.New(labelOf(wrong.Field) + " " + wrong.Message)
	}
	return wanted, err
}

// labelOf returns what the form calls a field.
func labelOf(field access.Field) string {
	switch field {
	case access.FieldLogsPerSecond:
		return "logs a second"
	case access.FieldExpiresAt:
		return "days"
	case access.FieldName, access.FieldScopes:
	}
	return string(field)
}

// rotateKey replaces a key by one that is like it, and shows that.
func (p *Pages) rotateKey(w http.ResponseWriter, r *http.Request) error {
	const overlap = 24 * time.Hour
	return p.showCreated(w, r, func() (access.Key, string, error) { return p.Keys.Rotate(r.Context(), keyID(r), overlap) })
}

func (p *Pages) showCreated(w http.ResponseWriter, r *http.Request, create func() (access.Key, string, error)) error {
	key, secret, err := create()
	if err != nil {
		return missingKey(err)
	}
	return p.showKeys(w, r, http.StatusCreated, keysPage{Created: &key, Secret: secret})
}

// revokeKey revokes a key, and shows the page again.
func (p *Pages) revokeKey(w http.ResponseWriter, r *http.Request) error {
	if _, err := p.Keys.Revoke(r.Context(), keyID(r)); err != nil {
		return missingKey(err)
	}
	http.Redirect(w, r, "/admin/keys", http.StatusSeeOther)
	return nil
}

// keyID returns the id in the path, or 0, which no key has.
func keyID(r *http.Request) int64 {
	id, err := strconv.ParseInt(chi.URLParam(r, "id"), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

func missingKey(err error) error {
	if errors.Is(err, access.ErrNotFound) {
		return problem.NotFound.New("It is not there, has expired or was revoked.").Titled("There is no such key")
	}
	return err
}
