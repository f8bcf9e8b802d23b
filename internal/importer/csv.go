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

// The columns of CSV. Only the timestamp column is optional, and may be empty in a
// row.
const (
	requestID = "request_id"
	userID    = "user_id"
	wordCount = "word_count"
	timestamp = "timestamp"
)

// rows reads CSV line by line, because no field of a log contains a line break. So a
// quote that is never closed spoils only its row, not the rest of the file.
type rows struct {
	row     *row
	reader  *csv.Reader
	columns []string
}

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
	r := &rows{row: new(row)}
	r.reader = csv.NewReader(r.row)
	r.reader.ReuseRecord = true
	names, err := r.read(text)
	if err != nil {
		return fmt.Errorf("reading the header of the CSV: %w", err)
	}
	for _, name := range names {
		r.columns = append(r.columns, strings.TrimSpace(name))
	}
	i.decode = r.decode
	return checkColumns(r.columns)
}

func checkColumns(columns []string) error {
	required := []string{requestID, userID, wordCount}
	known := slices.Concat(required, []string{timestamp})
	names := strings.Join(required, ", ") + " and, if there is one, " + timestamp
	for n, name := range columns {
		if !slices.Contains(known, name) {
			return fmt.Errorf("the CSV has an unknown column %q: its header must name %s, separated by commas", name, names)
		}
		if slices.Contains(columns[:n], name) {
			return fmt.Errorf("the CSV has two columns %q", name)
		}
	}
	for _, name := range required {
		if !slices.Contains(columns, name) {
			return fmt.Errorf("the CSV has no column %q: its header names %s, and must name %s",
				name, strings.Join(columns, ", "), names)
		}
	}
	return nil
}

func (r *rows) read(text []byte) ([]string, error) {
	r.row.set(text)
	return r.reader.Read()
}

// decode converts a row to JSON. It rejects a word count that isn't a number,
// because JSON couldn't represent it. Everything else is checked by the service.
func (r *rows) decode(text []byte) (log []byte, wrong []FieldProblem) {
	fields, err := r.read(text)
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		return nil, []FieldProblem{{Message: fmt.Sprintf("must have %d fields, as the header has, and has %d", len(r.columns), len(fields))}}
	case err != nil:
		broken, _ := errors.AsType[*csv.ParseError](err)
		return nil, []FieldProblem{{Message: fmt.Sprintf("is broken CSV at byte %d: %v", broken.Column, broken.Err)}}
	}
	var l struct {
		RequestID string `json:"request_id"`
		UserID    string `json:"user_id"`
		WordCount int64  `json:"word_count"`
		Timestamp string `json:"timestamp,omitempty"`
	}
	for n, name := range r.columns {
		field := strings.TrimSpace(fields[n])
		switch name {
		case requestID:
			l.RequestID = field
		case userID:
			l.UserID = field
		case timestamp:
			l.Timestamp = field
		case wordCount:
			if l.WordCount, err = strconv.ParseInt(field, 10, 64); err != nil {
				return nil, []FieldProblem{{Location: wordCount, Message: "must be a whole number", Value: field}}
			}
		}
	}
	log, _ = json.Marshal(l) // can't fail: only strings and a number
	return append(log, '\n'), nil
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
