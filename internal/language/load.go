package language

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/text/language"
)

// file is what a file says of its language.
type file struct {
	Dates dates           `json:"dates"`
	Texts map[string]text `json:"texts"`
}

// extension ends the names of files.
const extension = ".json"

func load(from fs.FS) (*languages, error) {
	names, err := fs.Glob(from, "*"+extension)
	if err != nil {
		return nil, err
	}
	english, err := loadLocale(from, language.English.String())
	if err != nil {
		return nil, err
	}
	loaded := &languages{locales: []*Locale{english}}
	tags := []language.Tag{english.tag}
	for _, name := range names {
		if name = strings.TrimSuffix(name, extension); name == english.name {
			continue
		}
		locale, err := loadLocale(from, name)
		if err != nil {
			return nil, err
		}
		loaded.locales, tags = append(loaded.locales, locale), append(tags, locale.tag)
	}
	loaded.matcher = language.NewMatcher(tags)
	return loaded, nil
}

// loadLocale reads the file of a language, over those from which it takes what it lacks: that of
// the language without its region, and the English one.
func loadLocale(from fs.FS, name string) (*Locale, error) {
	tag, err := language.Parse(name)
	if err != nil {
		return nil, fmt.Errorf("%s%s is not named after a language: %w", name, extension, err)
	}
	base, _ := tag.Base()
	var read file
	last := ""
	for _, name := range []string{language.English.String(), base.String(), name} {
		if name == last {
			continue
		}
		if err := read.over(from, name+extension); err != nil {
			return nil, err
		}
		last = name
	}
	return &Locale{tag: tag, name: name, dates: read.Dates, texts: read.Texts, numbers: numbersOf(tag)}, nil
}

// over reads a file, whose texts replace those that there are.
func (f *file) over(from fs.FS, name string) error {
	data, err := fs.ReadFile(from, name)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(f); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}
