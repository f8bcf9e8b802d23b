package problem

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
)

//go:embed problem.html
var html string

var page = template.Must(template.New("").Parse(html)) //nolint:gochecknoglobals // a constant

// HTML returns the problem as an HTML fragment: the title of its kind as the
// heading, the detail, and the fields that are wrong.
func (p *Problem) HTML() template.HTML {
	var text bytes.Buffer
	err := page.Execute(&text, struct {
		Title, Text string
		Errors      []Field
	}{p.Title, cmp.Or(p.Detail, p.kind.Help), p.Errors})
	if err != nil {
		panic(err) // can't happen: the template only inserts strings
	}
	return template.HTML(text.String()) //nolint:gosec // html/template has escaped it
}
