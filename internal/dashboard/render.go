package dashboard

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"

	"learninglog/internal/conditional"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages by name, each with the layout around it.
type templates map[string]*template.Template

func parseTemplates(functions template.FuncMap) (templates, error) {
	parsed := make(templates)
	for _, name := range []string{"start", "learner", "operator", "problem"} {
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

// render answers with a page, or 304 where the client has it.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	page, err := p.execute(name, data)
	if err != nil {
		return err
	}
	header := w.Header()
	header.Set("Cache-Control", "private, no-cache")
	if status == http.StatusOK {
		tag := conditional.Tag(page)
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

// problem is an error that is the visitor's to mend, and how.
type problem struct {
	status        int
	title, detail string
}

func (p *problem) Error() string { return p.title + ": " + p.detail }

// fail shows what went wrong, and tells the log what isn't the visitor's business.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	shown, ok := errors.AsType[*problem](err)
	switch {
	case ok:
	case r.Context().Err() != nil:
		return // nobody waits any more
	case p.Unavailable(err):
		p.Logger.WarnContext(r.Context(), "a page has to wait for the database", slog.Any("error", err))
		w.Header().Set("Retry-After", "1")
		shown = &problem{http.StatusServiceUnavailable, "Not just now", "The database does not answer. Try again in a moment."}
	default:
		p.Logger.ErrorContext(r.Context(), "a page failed", slog.Any("error", err), slog.String("path", r.URL.Path))
		shown = &problem{http.StatusInternalServerError, "Something went wrong on this side", "The reason is in the service's log."}
	}
	data := struct {
		layout

		Detail string
	}{layout{Title: shown.title}, shown.detail}
	if shown.status == http.StatusServiceUnavailable && r.Method == http.MethodGet {
		data.Refresh = r.URL.RequestURI()
	}
	if err := p.render(w, r, shown.status, "problem", data); err != nil {
		p.Logger.ErrorContext(r.Context(), "a page failed", slog.Any("error", err))
	}
}

// layout is what every page says of itself.
type layout struct {
	Title string
	// Refresh is what a browser without scripts asks for by itself after some seconds,
	// or empty. It has no fragment: to go there would be no reason to ask again.
	Refresh string
}
