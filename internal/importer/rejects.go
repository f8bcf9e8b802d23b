package importer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Reject is a log that was not recorded or voided, with the reason.
type Reject struct {
	// Line is the number of its line in the input, from 1.
	Line    int            `json:"line"`
	Outcome Outcome        `json:"outcome"`
	Errors  []FieldProblem `json:"errors,omitempty"`
	// LearningLog is the log that is already recorded under the request id.
	LearningLog json.RawMessage `json:"learning_log,omitempty"`
	// Entry is its text in the input. It is empty if the line is too long, and where an
	// export is to blame and not one of its lines.
	Entry string `json:"entry"`
}

// FieldProblem says what is wrong with one field. Without a location, it concerns
// the whole log.
type FieldProblem struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty"`
}

func rejected(log inputLog, became outcomeLine) Reject {
	for n, problem := range became.Errors {
		// The index in body[17].word_count counts from the beginning of a request,
		// which means nothing to a person.
		if _, field, ok := strings.Cut(problem.Location, "]"); ok {
			became.Errors[n].Location = strings.TrimPrefix(field, ".")
		}
	}
	if became.Errors == nil {
		became.Errors = became.Outcome.reason()
	}
	return Reject{
		Line: log.line, Outcome: became.Outcome, Errors: became.Errors, LearningLog: became.LearningLog, Entry: string(log.text),
	}
}

// reason says what the service doesn't say about outcomes that have only one reason.
func (o Outcome) reason() []FieldProblem {
	switch o {
	case RequestIDReused:
		return []FieldProblem{{Location: requestID, Message: "belongs to another log, which is recorded: this one needs an id of its own"}}
	case ReplacedUnknown:
		return []FieldProblem{{Location: replaces, Message: "names no log of this user that counts: there is none, or it was taken back; this one is not recorded"}}
	case Erased:
		return []FieldProblem{{Location: userID, Message: "names a learner who was erased: nothing is recorded of them until that is taken back (learninglog erase --undo)"}}
	case Conflict:
		return []FieldProblem{{Message: "is of a date of which this learner has another sealed day, or logs that may be those that it is made of: nothing was done"}}
	case Forbidden:
		return []FieldProblem{{Location: userID, Message: "names another learner than that of the key: a key for it, or for all learners, may send this one"}}
	case Unknown:
		return []FieldProblem{{Location: requestID, Message: "belongs to no log of this user"}}
	default:
		return nil
	}
}

// RejectError means that a reject couldn't be written.
type RejectError struct{ Err error }

func (e *RejectError) Error() string { return fmt.Sprintf("writing rejects: %v", e.Err) }

// Unwrap returns what went wrong.
func (e *RejectError) Unwrap() error { return e.Err }

// RejectFile writes rejects to a file as NDJSON. The file is created by the first
// reject, and replaces an existing one. Call Close afterwards, and RemoveEarlier
// after a success.
type RejectFile struct {
	path   string
	file   *os.File
	buffer *bufio.Writer
	json   *json.Encoder
}

// NewRejectFile returns a RejectFile, but doesn't create the file yet.
func NewRejectFile(path string) *RejectFile { return &RejectFile{path: path} }

// Write adds a reject. A failure is a [*RejectError].
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

// Close completes the file if there were any rejects.
func (f *RejectFile) Close() error {
	if f.file == nil {
		return nil
	}
	if err := errors.Join(f.buffer.Flush(), f.file.Close()); err != nil {
		return &RejectError{err}
	}
	return nil
}

// RemoveEarlier removes an earlier file if there were no rejects now, because the file
// could be mistaken for one of now. It doesn't remove anything but a regular file.
func (f *RejectFile) RemoveEarlier() error {
	if f.file != nil {
		return nil
	}
	earlier, err := os.Lstat(f.path)
	if err != nil || !earlier.Mode().IsRegular() {
		return nil //nolint:nilerr // there is no such file
	}
	if err := os.Remove(f.path); err != nil {
		return fmt.Errorf("removing earlier rejects: %w", err)
	}
	return nil
}
