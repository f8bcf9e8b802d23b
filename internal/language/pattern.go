package language

import (
	"fmt"
	"strings"
)

// pattern is a text with places for values, such as "{day} {month} {year}".
type pattern []part

// part is a piece of text, or the place of a value if it has the name of one.
type part struct{ literal, name string }

// UnmarshalText reads a pattern as it stands in a file.
func (p *pattern) UnmarshalText(written []byte) error {
	text := string(written)
	*p = nil
	for text != "" {
		literal, rest, hasPlace := strings.Cut(text, "{")
		if strings.Contains(literal, "}") {
			return fmt.Errorf("in %q a } has no { before it", written)
		}
		if literal != "" {
			*p = append(*p, part{literal: literal})
		}
		if !hasPlace {
			return nil
		}
		name, after, isClosed := strings.Cut(rest, "}")
		if !isClosed || name == "" || strings.Contains(name, "{") {
			return fmt.Errorf("in %q a { doesn't begin a name that a } ends", written)
		}
		*p = append(*p, part{name: name})
		text = after
	}
	return nil
}
