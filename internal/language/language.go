// Package language writes texts, dates and numbers in the language of a visitor. Call [Of]
// first. Each language is a file of this package, named by its tag, such as de.json; one of
// a region, such as en-US.json, has only what differs there.
package language

import (
	"embed"
	"sync"

	"golang.org/x/text/language"
)

// Locale is a language as it is written somewhere. It is safe for concurrent use.
type Locale struct {
	tag     language.Tag
	name    string
	dates   dates
	texts   map[string]text
	numbers numbers
}

// languages are those that there are files of. The first one is English, which also stands
// in for all others.
type languages struct {
	locales []*Locale
	matcher language.Matcher
}

//go:embed *.json
var files embed.FS

var known = sync.OnceValue(func() *languages { //nolint:gochecknoglobals // a constant
	loaded, err := load(files)
	if err != nil {
		panic(err) // can't happen: a test reads the same files
	}
	return loaded
})

// Of returns the language that a visitor prefers among those that there are, by the header
// Accept-Language of a request. It is English where that is none of them, or isn't right.
func Of(acceptLanguage string) *Locale { return known().of(acceptLanguage) }

// English returns the language of those pages that have no other.
func English() *Locale { return known().locales[0] }

func (l *languages) of(acceptLanguage string) *Locale {
	const longest = 1000 // bytes: browsers send less than 200, and each costs time
	if len(acceptLanguage) > longest {
		return l.locales[0]
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil {
		return l.locales[0]
	}
	_, index, _ := l.matcher.Match(wanted...) // 0 where nothing matches
	return l.locales[index]
}

// Tag returns the tag of the language (BCP 47), such as "de" or "en-US".
func (l *Locale) Tag() string { return l.name }

// IsEnglish says whether it is English, of whatever region.
func (l *Locale) IsEnglish() bool {
	base, _ := l.tag.Base()
	return base.String() == language.English.String()
}
