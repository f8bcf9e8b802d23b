package importer

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// rows reads CSV line by line, because no field of a log contains a line break. So a
// quote that is never closed spoils only its row, not the rest of the file.
type rows struct {
	action  Action
	row     *row
	reader  *csv.Reader
	columns []string // those that are ignored are empty
}

// HeaderError means that CSV has no header that names the right columns.
type HeaderError struct{ Err error }

func (e *HeaderError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *HeaderError) Unwrap() error { return e.Err }

// readHeader reads the header, and makes the input decode CSV.
func (i *Input) readHeader() error {
	text := []byte(nil)
	for len(text) == 0 {
		var err error
		if text, err = i.lines.Next(); errors.Is(err, io.EOF) {
			return errors.New("the CSV is empty: it must begin with a header that names the columns")
		} else if err != nil {
			return fmt.Errorf("reading the header of the CSV: %w", err)
		}
	}
	r := &rows{action: i.action, row: new(row)}
	r.reader = csv.NewReader(r.row)
	r.reader.ReuseRecord = true
	names, err := r.read(text)
	if err != nil {
		return fmt.Errorf("reading the header of the CSV: %w", err)
	}
	for n := range names {
		names[n] = strings.TrimSpace(names[n])
	}
	i.decode = r.decode
	r.columns, err = i.action.columns(names)
	return err
}

// columns checks the names in a header. It returns them without those to be ignored.
func (a Action) columns(header []string) (columns []string, err error) {
	names := strings.Join(a.required, ", ")
	if a.optional != nil {
		names += ", and may name " + strings.Join(a.optional, ", ")
	}
	for _, name := range header {
		switch known := slices.Contains(slices.Concat(a.required, a.optional), name); {
		case !known && a.onlyRequired:
			name = ""
		case !known:
			return nil, fmt.Errorf("the CSV has an unknown column %q: its header must name %s, separated by commas", name, names)
		case slices.Contains(columns, name):
			return nil, fmt.Errorf("the CSV has two columns %q", name)
		}
		columns = append(columns, name)
	}
	for _, name := range a.required {
		if !slices.Contains(columns, name) {
			return nil, fmt.Errorf("the CSV has no column %q: its header names %s, and must name %s, separated by commas",
				name, strings.Join(header, ", "), names)
		}
	}
	return columns, nil
}

func (r *rows) read(text []byte) ([]string, error) {
	r.row.set(text)
	return r.reader.Read()
}

// decode converts a row to JSON. It rejects a word count that isn't a number,
// because JSON couldn't represent it, and an empty timestamp, which the service would
// take for now. Everything else is checked by the service.
func (r *rows) decode(text []byte) (line []byte, wrong []FieldProblem) {
	fields, err := r.read(text)
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return nil, []FieldProblem{{Message: fmt.Sprintf("must have %d fields, as the header has, and has %d", len(r.columns), len(fields))}}
	case err != nil:
		broken, _ := errors.AsType[*csv.ParseError](err)
		return nil, []FieldProblem{{Message: fmt.Sprintf("is broken CSV at byte %d: %v", broken.Column, broken.Err)}}
	}
	var l sentLog
	for n, name := range r.columns {
		field := strings.TrimSpace(fields[n])
		switch name {
		case requestID:
			l.RequestID = field
		case userID:
			l.UserID = field
		case timestamp:
			if field == "" && r.action.refusesEmptyTimestamps {
				return nil, emptyTimestamp()
			}
			l.Timestamp = field
		case timeZone:
			l.TimeZone = field
		case utcOffset:
			l.UTCOffset = field
		case wordCount:
			words, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return nil, []FieldProblem{{Location: wordCount, Message: "must be a whole number", Value: field}}
			}
			l.WordCount = &words
		case offsetGiven:
			if field == "" {
				continue
			}
			given, err := strconv.ParseBool(field)
			if err != nil {
				return nil, []FieldProblem{{Location: offsetGiven, Message: "must be true or false", Value: field}}
			}
			l.OffsetGiven = &given
		case voidedAt:
			l.VoidedAt = field
		case replaces:
			l.Replaces = field
		}
	}
	return l.encode(), nil
}

// sentLog is a log as it is sent.
type sentLog struct {
	RequestID   string `json:"request_id"`
	UserID      string `json:"user_id"`
	WordCount   *int64 `json:"word_count,omitempty"`
	Timestamp   string `json:"timestamp,omitempty"`
	TimeZone    string `json:"time_zone,omitempty"`
	UTCOffset   string `json:"utc_offset,omitempty"`
	OffsetGiven *bool  `json:"offset_given,omitempty"`
	Replaces    string `json:"replaces,omitempty"`
	VoidedAt    string `json:"voided_at,omitempty"`
}

// encode returns a line of JSON.
func (l sentLog) encode() []byte {
	text, _ := json.Marshal(l) // can't fail: only strings and a number
	return append(text, '\n')
}

// row is an io.Reader of one row. At its end it returns EOF; the CSV reader then
// continues with the next row that is set.
type row struct{ rest []byte }

func (r *row) set(text []byte) { r.rest = append(append(r.rest[:0], text...), '\n') }

func (r *row) Read(into []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(into, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
