package language

import (
	"encoding/json"
	"io/fs"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Load returns the languages of other files.
func Load(from fs.FS) (of func(acceptLanguage string) *Locale, err error) {
	loaded, err := load(from)
	if err != nil {
		return nil, err
	}
	return loaded.of, nil
}

// Files are the files of the languages.
func Files() fs.FS { return files }

// All returns all languages.
func All() []*Locale { return known().locales }

// IsOfRegion says whether the file has only what differs in a region.
func (l *Locale) IsOfRegion() bool {
	base, _ := l.tag.Base()
	return base.String() != l.name
}

// FormsOf returns the names of the forms that a language has for whole numbers.
func FormsOf(name string) map[string]bool {
	found := make(map[string]bool)
	for n := range 10_000 {
		found[forms()[plural.Cardinal.MatchPlural(language.MustParse(name), n, 0, 0, 0, 0)]] = true
	}
	return found
}

// Places returns the names in braces, in their order.
func Places(written string) ([]string, error) {
	var read pattern
	if err := read.UnmarshalText([]byte(written)); err != nil {
		return nil, err
	}
	var names []string
	for _, part := range read {
		if part.name != "" {
			names = append(names, part.name)
		}
	}
	return names, nil
}

// Text is a text in a file: its forms by their names. One that has no forms is "other".
type Text map[string]string

// UnmarshalJSON reads a string or an object.
func (t *Text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		*t = Text{"other": ""}
		var only string
		err := json.Unmarshal(data, &only)
		(*t)["other"] = only
		return err
	}
	return json.Unmarshal(data, (*map[string]string)(t))
}
