package importer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Reject is a log that was not recorded, and why.
type Reject struct {
	// Line is where it stands in the input, from 1.
	Line    int            `json:"line"`
	Outcome string         `json:"outcome"`
	Errors  []FieldProblem `json:"errors,omitempty"`
	// LearningLog is the log that is recorded under the same request id.
	LearningLog json.RawMessage `json:"learning_log,omitempty"`
	// Entry is its text in the input; it is empty for a line that is too long.
	Entry string `json:"entry"`
}

// FieldProblem says what is wrong with one field, or without a location with the
// whole.
type FieldProblem struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty"`
}

func rejected(log inputLog, became outcome) Reject {
	for n, problem := range became.Errors {
		// body[17].word_count counts from the begin of a request, which says nothing
		// to a person.
		if _, field, ok := strings.Cut(problem.Location, "]"); ok {
			became.Errors[n].Location = strings.TrimPrefix(field, ".")
		}
	}
	if became.Outcome == requestIDReused && became.Errors == nil {
		became.Errors = []FieldProblem{{Location: requestID, Message: "belongs to another log, which is recorded: this one needs an id of its own"}}
	}
	return Reject{
		Line: log.line, Outcome: became.Outcome, Errors: became.Errors, LearningLog: became.LearningLog, Entry: string(log.text),
	}
}

// RejectError is the error of a reject that couldn't be written down.
type RejectError struct{ Err error }

func (e *RejectError) Error() string { return fmt.Sprintf("writing rejects: %v", e.Err) }

// Unwrap returns what went wrong.
func (e *RejectError) Unwrap() error { return e.Err }

// RejectFile keeps rejects as NDJSON. The file is made for the first, and replaces
// one that was there. Close it, and RemoveEarlier where all went well.
type RejectFile struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	json   *json.Encoder
}

// NewRejectFile returns a file that doesn't exist yet.
func NewRejectFile(path string) *RejectFile { return &RejectFile{path: path} }

// Write adds a reject. The error is a [*RejectError].
func (f *RejectFile) Write(reject Reject) error {
	if f.file == nil {
		if err := f.create(); err != nil {
			return &RejectError{err}
		}
	}
	if err := f.json.Encode(reject); err != nil {
		return &RejectError{err}
	}
	return nil
}

func (f *RejectFile) create() (err error) {
	if f.file, err = os.Create(f.path); err != nil {
		return err
	}
	f.buffer = bufio.NewWriter(f.file)
	f.json = json.NewEncoder(f.buffer)
	f.json.SetEscapeHTML(false)
	return nil
}

// Close finishes the file, if there was a reject.
func (f *RejectFile) Close() error {
	if f.file == nil {
		return nil
	}
	if err := errors.Join(f.buffer.Flush(), f.file.Close()); err != nil {
		return &RejectError{err}
	}
	return nil
}

// RemoveEarlier removes the file of an earlier import if this one had no rejects, so
// that nobody takes those for its own. What isn't a regular file is left alone.
func (f *RejectFile) RemoveEarlier() error {
	if f.file != nil {
		return nil
	}
	earlier, err := os.Lstat(f.path)
	if err != nil || !earlier.Mode().IsRegular() {
		return nil //nolint:nilerr // there is none
	}
	if err := os.Remove(f.path); err != nil {
		return fmt.Errorf("removing the rejects of an earlier import: %w", err)
	}
	return nil
}
