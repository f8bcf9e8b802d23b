package problem

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
)

//go:embed problem.html
var html string

// HTML returns the problem as a piece of a page: what the kind is called as the
// heading, what happened, and what is wrong with which field.
func (p *Problem) HTML() template.HTML {
	var text bytes.Buffer
	page := template.Must(template.New("").Parse(html))
	err := page.Execute(&text, struct {
		Title, Text string
		Errors      []Field
	}{p.Title, cmp.Or(p.Detail, p.kind.Help), p.Errors})
	if err != nil {
		panic(err) // of strings alone
	}
	return template.HTML(text.String()) //nolint:gosec // html/template has escaped it
}
