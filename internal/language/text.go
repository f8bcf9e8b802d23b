package language

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"golang.org/x/text/feature/plural"

	"learninglog/rollup"
)

// text is a text in each of the forms that its language has for numbers of things, or in
// the form "other" alone.
type text struct{ forms [plural.Many + 1]pattern }

// forms are the names of the forms (CLDR), by their number.
func forms() [plural.Many + 1]string {
	return [...]string{plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many"}
}

// UnmarshalJSON reads a string, or an object that has a string for each form.
func (t *text) UnmarshalJSON(data []byte) error {
	*t = text{}
	if !bytes.HasPrefix(data, []byte("{")) {
		return json.Unmarshal(data, &t.forms[plural.Other])
	}
	var read map[string]pattern
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	for form, name := range forms() {
		t.forms[form] = read[name]
		delete(read, name)
	}
	for name := range read {
		return fmt.Errorf("%q is not a form: those are %q", name, forms())
	}
	return nil
}

// Text returns a text by its id. Values come in pairs: the name of a place in the text, and
// what is written there, which is a string, a date, a whole number or one with a decimal. The
// first whole number decides in which form the text is. An id that is not known is returned itself.
func (l *Locale) Text(id string, values ...any) string {
	found, isKnown := l.texts[id]
	if !isKnown {
		return id
	}
	pattern := found.forms[l.form(values)]
	if len(pattern) == 0 {
		pattern = found.forms[plural.Other]
	}
	if len(pattern) == 1 && pattern[0].name == "" {
		return pattern[0].literal
	}
	var room [128]byte
	written := room[:0]
	for _, part := range pattern {
		written = append(written, part.literal...)
		if part.name != "" {
			written = l.appendValue(written, part.name, values)
		}
	}
	return string(written)
}

// form returns the form for the first whole number among pairs of names and values.
func (l *Locale) form(values []any) plural.Form {
	for _, value := range values {
		n, isWhole := whole(value)
		if !isWhole {
			continue
		}
		const most = 10_000_000 // what comes before the last seven digits doesn't matter
		return plural.Cardinal.MatchPlural(l.tag, int(max(n, -n)%most), 0, 0, 0, 0)
	}
	return plural.Other
}

func whole(value any) (n int64, isWhole bool) {
	switch value := value.(type) {
	case int:
		return int64(value), true
	case int64:
		return value, true
	default:
		return 0, false
	}
}

// appendValue appends the value of that name. A name that has none stays as it is, in braces.
func (l *Locale) appendValue(to []byte, name string, values []any) []byte {
	for i := 0; i+1 < len(values); i += 2 {
		if values[i] != name {
			continue
		}
		switch value := values[i+1].(type) {
		case string:
			return append(to, value...)
		case int:
			return l.numbers.append(to, strconv.AppendInt(nil, int64(value), 10))
		case int64:
			return l.numbers.append(to, strconv.AppendInt(nil, value, 10))
		case float64:
			return l.numbers.append(to, strconv.AppendFloat(nil, value, 'f', 1, 64))
		case rollup.Date:
			return l.dates.append(to, l.dates.Date, value.Time())
		default:
			return fmt.Append(to, value)
		}
	}
	return append(append(append(to, '{'), name...), '}')
}
