package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/timerange"
)

// object reads the fields of a JSON object strictly: each by its exact name and
// type, none that nobody asked for. It collects everything that is wrong.
type object struct {
	location string
	fields   map[string]json.RawMessage
	problems []FieldProblem
}

// newObject reads text, which must be one JSON value. A syntax error is a
// problem of its own; a value that isn't an object is a field's.
func newObject(location string, text []byte) (*object, error) {
	o := &object{location: location}
	if !utf8.Valid(text) {
		return nil, unreadable.problem("The JSON is not valid UTF-8.")
	}
	if err := json.Unmarshal(text, &o.fields); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
			return nil, unreadable.problem(explainSyntax(text, err))
		}
	}
	for _, name := range repeated(text, len(o.fields)) {
		o.wrong(name, nil, "must be given once")
	}
	if o.fields == nil {
		o.problems = append(o.problems, FieldProblem{
			Location: location, Message: "must be a JSON object", Value: short(string(text)),
		})
	}
	return o, nil
}

// repeated returns the keys that an object, which is valid JSON, has more than
// once, given how many different ones it has.
func repeated(text []byte, different int) []string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	seen := make(map[string]bool, different)
	var twice []string
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			break
		}
		if seen[name] && len(twice) < maxUnknown {
			twice = append(twice, short(name))
		}
		seen[name] = true
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			break
		}
	}
	return twice
}

func explainSyntax(text []byte, err error) string {
	var syntax *json.SyntaxError
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return "The body is empty: it must be JSON."
	case errors.As(err, &syntax):
		return fmt.Sprintf("The JSON is broken at byte %d: %s.", syntax.Offset, syntax)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "The JSON breaks off."
	default:
		return "The JSON is broken."
	}
}

// take returns a field's text and removes it. An absent field is nil, and so is
// a null one unless it is required.
func (o *object) take(name string, required bool) json.RawMessage {
	text, present := o.fields[name]
	delete(o.fields, name)
	if string(text) == "null" && !required {
		return nil
	}
	if !present && required && o.fields != nil {
		o.wrong(name, nil, "is required")
	}
	return text
}

func (o *object) wrong(name string, text json.RawMessage, message string) {
	problem := FieldProblem{Location: o.location + "." + name, Message: message}
	if text != nil {
		problem.Value = short(strings.Trim(string(text), `"`))
	}
	o.problems = append(o.problems, problem)
}

// takeUUID returns a UUID in its usual form, or nil.
func (o *object) takeUUID(name string, required bool) *uuid.UUID {
	text := o.take(name, required)
	if text == nil {
		return nil
	}
	var value string
	if json.Unmarshal(text, &value) == nil {
		if id, err := parseUUID(value); err == nil {
			return &id
		}
	}
	o.wrong(name, text, "must be a UUID such as 6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11")
	return nil
}

// takeWholeNumber returns a required number, or 0. One that doesn't fit is wrong here,
// one outside the limits is the command's to judge.
func (o *object) takeWholeNumber(name string, limits command.Limits) int {
	text := o.take(name, true)
	if text == nil {
		return 0
	}
	var value int
	if string(text) == "null" || json.Unmarshal(text, &value) != nil {
		o.wrong(name, text, fmt.Sprintf("must be a whole number from 0 to %d", limits.MaxWordCount))
		return 0
	}
	return value
}

func (o *object) takeBool(name string) bool {
	text := o.take(name, false)
	if text == nil {
		return false
	}
	var value bool
	if json.Unmarshal(text, &value) != nil {
		o.wrong(name, text, "must be true or false")
	}
	return value
}

// takeTime returns the instant of an RFC 3339 date-time, or nil.
func (o *object) takeTime(name string) *time.Time {
	text := o.take(name, false)
	if text == nil {
		return nil
	}
	var value string
	if json.Unmarshal(text, &value) == nil {
		if at, err := timerange.ParseInstant(value); err == nil {
			return &at
		}
	}
	o.wrong(name, text, "must be an RFC 3339 date-time with its offset, such as 2026-11-22T08:30:00Z")
	return nil
}

// takeBound returns the end of a range, or nil.
func (o *object) takeBound(name string, zone *time.Location) *timerange.Bound {
	text := o.take(name, false)
	if text == nil {
		return nil
	}
	var value string
	if json.Unmarshal(text, &value) != nil {
		o.wrong(name, text, timerange.Expected)
		return nil
	}
	bound, err := timerange.Parse(value, zone)
	if err != nil {
		o.wrong(name, text, err.Error())
		return nil
	}
	return &bound
}

// maxUnknown is how many unknown fields are named; what has more isn't a log with
// a mistake in it.
const maxUnknown = 10

// finish returns everything that is wrong, fields that nobody took included.
func (o *object) finish(known ...string) []FieldProblem {
	unknown := slices.Sorted(maps.Keys(o.fields))
	if more := len(unknown) - maxUnknown; more > 0 {
		o.problems = append(o.problems, FieldProblem{
			Location: o.location,
			Message:  fmt.Sprintf("has %d fields more that are unknown", more),
		})
		unknown = unknown[:maxUnknown]
	}
	for _, name := range unknown {
		o.problems = append(o.problems, FieldProblem{
			Location: o.location + "." + short(name),
			Message:  "is not a field: expected only " + strings.Join(known, ", "),
		})
	}
	return o.problems
}

// parseUUID accepts the usual form alone, not those with braces, urn: or without
// dashes that the library also reads.
func parseUUID(text string) (uuid.UUID, error) {
	const usualLength = 36
	if len(text) != usualLength {
		return uuid.Nil, errors.New("not a UUID")
	}
	return uuid.Parse(text)
}

// short cuts what a client sent, for an answer that shows it.
func short(text string) string {
	const most = 100
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
