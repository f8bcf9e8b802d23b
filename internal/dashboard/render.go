package dashboard

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"maps"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"learninglog/internal/access"
	"learninglog/internal/etag"
	"learninglog/internal/language"
	"learninglog/internal/problem"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages by name, each with the layout around it.
type templates map[string]*template.Template

func parseTemplates(functions template.FuncMap) (templates, error) {
	parsed := make(templates)
	for _, name := range []string{"start", "learner", "operator", "keys", "audit", "problem", "login", "share"} {
		page, err := template.New("layout.html").Funcs(functions).
			ParseFS(templateFiles, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parsing the page %s: %w", name, err)
		}
		parsed[name] = page
	}
	return parsed, nil
}

// execute returns a page.
func (p *Pages) execute(name string, data any) ([]byte, error) {
	var page bytes.Buffer
	if err := p.templates[name].Execute(&page, data); err != nil {
		return nil, fmt.Errorf("writing the page %s: %w", name, err)
	}
	return page.Bytes(), nil
}

// inLanguage is what a page shows, which is in one language.
type inLanguage interface{ Tag() string }

// tellLanguage says in which language a page is, and that others may get it in another one.
func tellLanguage(header http.Header, page inLanguage) {
	header.Set("Content-Language", page.Tag())
	header.Add("Vary", "Accept-Language")
}

// render answers with a page, or 304 where the client has it.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, data inLanguage) error {
	page, err := p.execute(name, data)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "private, no-cache")
	tellLanguage(header, data)
	if status == http.StatusOK {
		tag := etag.Of(page)
		if notModified(w, r, tag) {
			return nil
		}
		header.Set("ETag", tag) // to which compressing adds its suffix
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(page) // a client that is gone needs no answer
	return nil
}

// translated is a problem that is said in the visitor's language.
type translated struct{ *problem.Problem }

// Unwrap makes it be found as a problem.
func (t translated) Unwrap() error { return t.Problem }

// Fail shows what went wrong, and tells the log what isn't the visitor's business.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	wrong := p.Problems.Of(r.Context(), err, "")
	maps.Copy(w.Header(), wrong.GetHeaders())
	w.Header().Set("Content-Security-Policy", contentPolicy) // also where there was no page to set it
	page := problemPage{layout: p.newLayout(r, wrong.Title), Problem: wrong}
	isEndOfLogin := r.URL.Path == callbackPath // which can't be asked for again
	if _, page.IsTranslated = errors.AsType[translated](err); !page.IsTranslated {
		page.Heading, page.Sentence = translate(page.Locale, wrong.Kind())
		page.Title = cmp.Or(page.Heading, page.Title)
	}
	page.LogIn = p.Login != nil && (wrong.Kind() == problem.Unauthenticated || isEndOfLogin)
	isSecret := access.IsSharePath(r.URL.Path)
	if wrong.Kind() == problem.Unavailable && r.Method == http.MethodGet && !isEndOfLogin && !isSecret {
		page.Refresh = r.URL.RequestURI()
	}
	if err := p.render(w, r, wrong.Status, "problem", page); err != nil {
		p.Logger.ErrorContext(r.Context(), "a page failed", slog.Any("error", err), problem.LogID(r.Context()))
	}
}

// problemPage is what is shown instead of a page that failed.
type problemPage struct {
	layout

	Problem *problem.Problem
	// Heading and Sentence say in the visitor's language what kind of problem it is. They are
	// empty where that is English, in which the problem says more, and where it isn't translated.
	Heading, Sentence string
	// IsTranslated says that the problem itself is in the visitor's language.
	IsTranslated bool
	// LogIn says that logging in may help.
	LogIn bool
}

// translate returns what kind of problem it is, for the kinds that learners meet.
func translate(locale *language.Locale, kind problem.Kind) (heading, sentence string) {
	if locale.IsEnglish() {
		return "", ""
	}
	switch kind {
	case problem.NotFound:
		return locale.Text("problem.not_found"), locale.Text("problem.not_found_help")
	case problem.Unauthenticated:
		return locale.Text("problem.log_in"), locale.Text("problem.log_in_help")
	case problem.Forbidden:
		return locale.Text("problem.forbidden"), locale.Text("problem.forbidden_help")
	case problem.Unreadable:
		return locale.Text("problem.unreadable"), locale.Text("problem.unreadable_help")
	case problem.Invalid:
		return locale.Text("problem.invalid"), locale.Text("problem.invalid_help")
	case problem.Erased:
		return locale.Text("problem.erased"), locale.Text("problem.erased_help")
	case problem.TooManyFailures, problem.QuotaExceeded:
		return locale.Text("problem.too_many"), locale.Text("problem.too_many_help")
	case problem.Unavailable:
		return locale.Text("problem.unavailable"), locale.Text("problem.unavailable_help")
	case problem.Internal:
		return locale.Text("problem.internal"), locale.Text("problem.internal_help")
	default:
		return "", ""
	}
}

// layout is what every page says of itself, and the language in which it does.
type layout struct {
	*language.Locale

	Title string
	// Visitor is who is logged in, or empty.
	Visitor string
	// Home is where the visitor begins, or empty where that is nowhere. IsOwn says that it is
	// the page of the only learner whom they know.
	Home  string
	IsOwn bool
	// Shared says that the visitor has a share link, and so sees this page and nothing else.
	Shared bool
	// Operates says that the visitor may see the operators' page, ManagesKeys the one of
	// keys, Writes that they may take logs back, and Shares that they may create share links.
	Operates, ManagesKeys, Writes, Shares bool
	// Refresh is what a browser without scripts asks for by itself after some seconds,
	// or empty. It has no fragment: to go there would be no reason to ask again.
	Refresh string
}

// inEnglish returns the layout of a page that nobody has translated: those of operators.
func (l layout) inEnglish() layout {
	l.Locale = language.English()
	return l
}

// Number writes a whole number of any type that templates have.
func (l layout) Number(n any) string { return l.Locale.Number(whole(n)) }

// LearnerName returns what a learner is called, who may have set no name.
func (l layout) LearnerName(learner uuid.UUID, name string) string {
	const shown = 8 // of the digits of an id
	switch {
	case name != "":
		return name
	case l.Shared:
		return l.Text("learner.shared")
	default:
		return l.Text("learner", "id", learner.String()[:shown])
	}
}

// localeOf returns the language that a visitor prefers.
func localeOf(r *http.Request) *language.Locale {
	return language.Of(strings.Join(r.Header.Values("Accept-Language"), ","))
}

// newLayout returns the layout of a page that a request asks for.
func (p *Pages) newLayout(r *http.Request, title string) layout {
	if isShared(r) {
		return layout{Locale: localeOf(r), Title: title, Shared: true}
	}
	home := homeOf(r)
	made := layout{
		Locale: localeOf(r), Title: title, Home: cmp.Or(home, "/"), IsOwn: home != "",
		Operates: p.Operations != nil, ManagesKeys: p.Keys != nil, Writes: true, Shares: p.ShareLinks != nil,
	}
	if p.Login == nil {
		return made // nobody is asked who they are
	}
	visitor := access.Of(r.Context())
	made.Operates = made.Operates && visitor.May(access.Rebuilds)
	made.ManagesKeys = made.ManagesKeys && visitor.May(access.ManageKeys)
	made.Writes = visitor.May(access.WriteLogs)
	made.Shares = made.Shares && made.Writes
	if visitor != nil {
		made.Visitor = visitor.Name
	}
	return made
}
