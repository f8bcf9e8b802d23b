package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/internal/timerange"
	"learninglog/internal/zones"
	"learninglog/rollup"
)

// object reads the fields of a JSON object strictly: names and types must match
// exactly, and unknown or repeated fields are errors. It collects all errors.
type object struct {
	location string
	// fields is nil if the text was no valid object; then no field is reported as
	// missing.
	fields   []field
	problems []problem.Field
}

type field struct {
	name, text []byte
	taken      bool
}

// newObject reads text, which must be a single JSON value. A syntax error is
// returned as a problem. A value that isn't an object is reported as a wrong field.
func newObject(location string, text []byte) (*object, error) {
	o := &object{location: location}
	if !utf8.Valid(text) {
		return nil, problem.Unreadable.New("The JSON is not valid UTF-8.")
	}
	decoder := jsonDecoder(text)
	defer jsonDecoders.Put(decoder)
	if decoder.PeekKind() != '{' {
		o.problems = append(o.problems, problem.Field{
			Location: location, Message: "must be a JSON object", Value: short(string(text)),
		})
		return o, readRest(decoder, text)
	}
	err := o.readFields(decoder, text)
	if twice, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		o.fields = nil
		o.wrong(short(twice.JSONPointer.LastToken()), nil, "must be given once")
		return o, nil
	}
	if err != nil {
		return nil, problem.Unreadable.New(explainSyntax(text, err))
	}
	return o, readEnd(decoder, text)
}

func (o *object) readFields(decoder *jsontext.Decoder, text []byte) error {
	const usual = 4
	o.fields = make([]field, 0, usual)
	if _, err := decoder.ReadToken(); err != nil { // the opening {
		return err
	}
	for decoder.PeekKind() != '}' {
		name, err := readValue(decoder, text)
		if err != nil {
			return err
		}
		value, err := readValue(decoder, text)
		if err != nil {
			return err
		}
		name, _ = unquote(name) // the decoder has checked it
		o.fields = append(o.fields, field{name: name, text: value})
	}
	_, err := decoder.ReadToken() // the closing }
	return err
}

// take returns the text of a field. It returns nil if the field is absent, or if it
// is null and not required.
func (o *object) take(name string, required bool) []byte {
	for i := range o.fields {
		found := &o.fields[i]
		if string(found.name) != name {
			continue
		}
		found.taken = true
		if string(found.text) == "null" && !required {
			return nil
		}
		return found.text
	}
	if required && o.fields != nil {
		o.wrong(name, nil, "is required")
	}
	return nil
}

// unquote returns the content of a JSON string, or false if value isn't a string.
func unquote(value []byte) (_ []byte, ok bool) {
	if value[0] != '"' {
		return nil, false
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	return unquoted, err == nil
}

func (o *object) wrong(name string, text []byte, message string) {
	field := problem.Field{Location: o.location + "." + name, Message: message}
	if text != nil {
		field.Value = shown(text)
	}
	o.problems = append(o.problems, field)
}

// wrongString reports a field that must be a string. The message says so if it has
// another type.
func (o *object) wrongString(name string, text []byte, message string) {
	if text[0] != '"' {
		message += ", as a string"
	}
	o.wrong(name, text, message)
}

// wrongLiteral reports a field that must not be a string. The message says so if it
// is one.
func (o *object) wrongLiteral(name string, text []byte, message string) {
	if text[0] == '"' {
		message += ", not a string"
	}
	o.wrong(name, text, message)
}

// shown returns a JSON value for an error message: in its own type if it is short
// and every client can read it, otherwise as text.
func shown(text []byte) any {
	content, isString := unquote(text)
	_, err := strconv.ParseFloat(string(text), 64)
	isLiteral := err == nil || slices.Contains([]string{"true", "false", "null"}, string(text))
	switch {
	case isString:
		return short(string(content))
	case isLiteral && len(text) <= mostShown:
		return json.RawMessage(bytes.Clone(text)) // the body needn't be kept for it
	default:
		return short(string(text))
	}
}

// takeUUID returns a UUID in the usual form, or nil if it is absent or wrong.
func (o *object) takeUUID(name string, required bool) *uuid.UUID {
	raw := o.take(name, required)
	if raw == nil {
		return nil
	}
	if value, ok := unquote(raw); ok {
		if id, err := parseUUID(value); err == nil {
			return &id
		}
	}
	o.wrongString(name, raw, "must be a UUID such as 6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11")
	return nil
}

// takeWholeNumber returns a required number, or 0 if it is wrong. Here it must only
// fit into an int; the command checks the limits.
func (o *object) takeWholeNumber(name string, limits command.Limits) int {
	raw := o.take(name, true)
	if raw == nil {
		return 0
	}
	value, err := strconv.Atoi(string(raw))
	if err != nil {
		o.wrongLiteral(name, raw, limits.WordCountRule())
		return 0
	}
	return value
}

// takeNumber returns a number from least to most, or otherwise if it is absent or wrong.
func (o *object) takeNumber(name string, least, most, otherwise int) int {
	raw := o.take(name, false)
	if raw == nil {
		return otherwise
	}
	value, err := strconv.Atoi(string(raw))
	if err != nil || value < least || value > most {
		o.wrongLiteral(name, raw, fmt.Sprintf("must be a whole number from %d to %d", least, most))
		return otherwise
	}
	return value
}

// takeUUIDs returns a list of at most so many UUIDs, or nil.
func (o *object) takeUUIDs(name string, most int) []uuid.UUID {
	raw := o.take(name, false)
	if raw == nil {
		return nil
	}
	var texts []string
	if err := json.Unmarshal(raw, &texts); err != nil || len(texts) == 0 || len(texts) > most {
		o.wrong(name, raw, fmt.Sprintf("must be a list of 1 to %d UUIDs", most))
		return nil
	}
	ids := make([]uuid.UUID, len(texts))
	for i, text := range texts {
		id, err := parseUUID([]byte(text))
		if err != nil {
			o.problems = append(o.problems, problem.Field{
				Location: fmt.Sprintf("%s.%s[%d]", o.location, name, i),
				Message:  "must be a UUID such as 6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11",
				Value:    short(text),
			})
			return nil
		}
		ids[i] = id
	}
	return ids
}

// takeFalse reports whether a field that is true by default is false.
func (o *object) takeFalse(name string) bool {
	raw := o.take(name, false)
	switch string(raw) {
	case "false":
		return true
	case "true", "":
	default:
		o.wrongLiteral(name, raw, "must be true or false")
	}
	return false
}

func (o *object) takeBool(name string) bool {
	raw := o.take(name, false)
	switch string(raw) {
	case "true":
		return true
	case "false", "":
	default:
		o.wrongLiteral(name, raw, "must be true or false")
	}
	return false
}

// takeTime returns an RFC 3339 date-time with its offset, or nil.
func (o *object) takeTime(name string) *time.Time {
	raw := o.take(name, false)
	if raw == nil {
		return nil
	}
	if value, ok := unquote(raw); ok {
		if at, err := timerange.ParseDateTime(string(value)); err == nil {
			return &at
		}
	}
	o.wrongString(name, raw, "must be an RFC 3339 date-time with its offset, such as 2026-11-22T08:30:00Z")
	return nil
}

// takeInstant is takeTime for an instant that will be formatted again. So its year
// must have four digits in every zone.
func (o *object) takeInstant(name string) *time.Time {
	at := o.takeTime(name)
	if at == nil {
		return nil
	}
	if year := at.UTC().Year(); year < 1 || year > 9998 {
		o.wrong(name, o.take(name, false), "must be in the years 1 to 9998")
	}
	return new(at.UTC())
}

// takeDate returns an end of a range of dates, or nil.
func (o *object) takeDate(name string) *rollup.Date {
	return takeText(o, name, timerange.Expected, timerange.ParseDate)
}

// takeOffset returns the offset of a clock, or nil.
func (o *object) takeOffset(name string) *rollup.Offset {
	return takeText(o, name, "must be an offset such as +05:30", rollup.ParseOffset)
}

// takeZone returns a time zone, or nil.
func (o *object) takeZone(name string, known *zones.Database) *time.Location {
	zone := takeText(o, name, zones.Expected, known.Load)
	if zone == nil {
		return nil
	}
	return *zone
}

// takeText returns what parse makes of a string, or nil. expected describes the string,
// for a field that is none.
func takeText[T any](o *object, name, expected string, parse func(string) (T, error)) *T {
	raw := o.take(name, false)
	if raw == nil {
		return nil
	}
	value, ok := unquote(raw)
	if !ok {
		o.wrongString(name, raw, expected)
		return nil
	}
	parsed, err := parse(string(value))
	if err != nil {
		o.wrong(name, raw, err.Error())
		return nil
	}
	return &parsed
}

// maxUnknown is how many unknown fields are reported. An object with more than this
// is something else than a log with a mistake.
const maxUnknown = 3

// finish returns everything that is wrong, including unknown fields.
func (o *object) finish(known ...string) []problem.Field {
	var unknown []string
	for i := range o.fields {
		if !o.fields[i].taken {
			unknown = append(unknown, string(o.fields[i].name))
		}
	}
	slices.Sort(unknown)
	if more := len(unknown) - maxUnknown; more > 0 {
		o.problems = append(o.problems, problem.Field{
			Location: o.location,
			Message:  fmt.Sprintf("has %d fields more that are unknown", more),
		})
		unknown = unknown[:maxUnknown]
	}
	for _, name := range unknown {
		o.problems = append(o.problems, problem.Field{
			Location: o.location + "." + short(name),
			Message:  "is not a field: expected only " + strings.Join(known, ", "),
		})
	}
	return o.problems
}

// parseUUID accepts only the usual form. The library would also read UUIDs with
// braces, with urn: or without dashes.
func parseUUID(text []byte) (uuid.UUID, error) {
	const usualLength = 36
	if len(text) != usualLength {
		return uuid.Nil, errors.New("not a UUID")
	}
	return uuid.ParseBytes(text)
}

// mostShown limits how many bytes of a client's text an error message repeats.
const mostShown = 100

// short truncates a client's text for an error message.
func short(text string) string {
	if len(text) <= mostShown {
		return text
	}
	return strings.ToValidUTF8(text[:mostShown], "") + "…"
}
