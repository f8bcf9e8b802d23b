package importer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"learninglog/internal/lines"
)

// Format is a file format.
type Format string

// The file formats.
const (
	// Auto means that the format is detected by the file name, or else by the
	// content.
	Auto Format = "auto"
	// NDJSON has one JSON object per line.
	NDJSON Format = "ndjson"
	// CSV has a header with the names of the columns.
	CSV Format = "csv"
)

// maxLine is the largest number of bytes in a line. The service has the same limit.
const maxLine = 64 << 10

// Input is a file of logs, and what is to be done to them. It is read once, in constant
// memory.
type Input struct {
	action Action
	lines  *lines.Reader
	stored *counter
	export contents
	// decode converts the text of a line to the line of JSON that is sent. A line
	// without a log has neither that nor anything wrong.
	decode func(text []byte) (line []byte, wrong []FieldProblem)
}

// inputLog is one log of an input.
type inputLog struct {
	line   int    // from 1
	offset int64  // how much of the stored input has been read, this log included
	text   []byte // the original line
	json   []byte // what is sent: JSON and a line break
	kind   kind
	wrong  []FieldProblem
}

// Open starts to read an input, which may be compressed by gzip and may begin with a
// byte order mark. name is the file name, used for [Auto]; it may be empty.
func Open(stored io.Reader, name string, format Format, action Action) (*Input, error) {
	input, text, err := open(stored, action)
	if err != nil {
		return nil, err
	}
	if format == Auto {
		if format, err = detect(text, name); err != nil {
			return nil, err
		}
	}
	if format == CSV {
		if err := input.readHeader(); err != nil {
			return nil, &HeaderError{err}
		}
		return input, nil
	}
	input.decode = action.decodeJSON
	return input, nil
}

// OpenRequestIDs is like [Open] for a list of one user's logs that are to be voided: a
// request id a line. What follows a # is a comment.
func OpenRequestIDs(stored io.Reader, user string) (*Input, error) {
	input, _, err := open(stored, Voiding())
	if err != nil {
		return nil, err
	}
	input.decode = func(text []byte) (line []byte, wrong []FieldProblem) {
		id, _, _ := strings.Cut(string(text), "#")
		if id = strings.TrimSpace(id); id == "" {
			return nil, nil
		}
		return sentLog{RequestID: id, UserID: user}.encode(), nil
	}
	return input, nil
}

// open returns an input without a decoder, and its text.
func open(stored io.Reader, action Action) (*Input, *bufio.Reader, error) {
	counted := &counter{reader: stored}
	text, err := decompress(bufio.NewReader(counted))
	if err != nil {
		return nil, nil, err
	}
	if err := passByteOrderMark(text); err != nil {
		return nil, nil, err
	}
	return &Input{action: action, lines: lines.NewReader(text, maxLine), stored: counted}, text, nil
}

func decompress(stored *bufio.Reader) (*bufio.Reader, error) {
	const magic = "\x1f\x8b"
	if found, err := beginsWith(stored, magic); err != nil || !found {
		return stored, err
	}
	text, err := gzip.NewReader(stored)
	if err != nil {
		return nil, fmt.Errorf("decompressing the input: %w", err)
	}
	return bufio.NewReader(text), nil
}

func passByteOrderMark(text *bufio.Reader) error {
	const mark = "\ufeff"
	found, err := beginsWith(text, mark)
	if found {
		_, err = text.Discard(len(mark))
	}
	return err
}

// beginsWith reads only as many bytes as it needs to decide.
func beginsWith(text *bufio.Reader, prefix string) (bool, error) {
	for n := 1; n <= len(prefix); n++ {
		begin, err := text.Peek(n)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("reading the input: %w", err)
		}
		if string(begin) != prefix[:n] {
			return false, nil
		}
	}
	return true, nil
}

// detect determines the format by the name, or else by the first byte that isn't
// whitespace.
func detect(text *bufio.Reader, name string) (Format, error) {
	switch path.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz")) {
	case ".csv":
		return CSV, nil
	case ".ndjson", ".jsonl":
		return NDJSON, nil
	}
	const mostBlank = 1024
	for n := 1; n <= mostBlank; n++ {
		begin, err := text.Peek(n)
		switch {
		case errors.Is(err, io.EOF):
			return NDJSON, nil // there are no lines
		case err != nil:
			return "", fmt.Errorf("reading the input: %w", err)
		}
		switch begin[n-1] {
		case ' ', '\t', '\r', '\n':
		case '{':
			return NDJSON, nil
		case '[':
			return "", errors.New("the input is a JSON array: it must be NDJSON, one log a line, such as `jq -c '.[]'` makes of it")
		default:
			return CSV, nil
		}
	}
	return NDJSON, nil
}

// decodeJSON leaves it to the service to check what is sent, but for empty timestamps, which
// are refused, or left out so that the service takes them for now.
func (a Action) decodeJSON(text []byte) (line []byte, wrong []FieldProblem) {
	empty := hasEmptyTimestamp(text)
	if empty && a.refusesEmptyTimestamps {
		return nil, emptyTimestamp()
	}
	var fields map[string]jsontext.Value
	if !empty && !a.onlyRequired || json.Unmarshal(text, &fields) != nil {
		return append(bytes.Clone(text), '\n'), nil
	}
	maps.DeleteFunc(fields, func(name string, _ jsontext.Value) bool {
		return empty && name == timestamp || a.onlyRequired && !slices.Contains(a.required, name)
	})
	line, _ = json.Marshal(fields, json.Deterministic(true)) // can't fail: it was JSON
	return append(line, '\n'), nil
}

func hasEmptyTimestamp(text []byte) bool {
	var log struct {
		Timestamp jsontext.Value `json:"timestamp"`
	}
	return json.Unmarshal(text, &log) == nil && (string(log.Timestamp) == "null" || string(log.Timestamp) == `""`)
}

// emptyTimestamp says what is wrong with a log, and what to do if it is not.
func emptyTimestamp() []FieldProblem {
	return []FieldProblem{{Location: timestamp, Message: "must not be empty, because the log would count today: say when it was, or import it with --empty-timestamp now"}}
}

// next returns the next log. After the last one, it returns [io.EOF].
func (i *Input) next() (inputLog, error) {
	for {
		text, err := i.lines.Next()
		log := inputLog{line: i.lines.Number(), offset: i.stored.read}
		switch {
		case errors.Is(err, lines.ErrTooLong):
			log.wrong = []FieldProblem{{Message: fmt.Sprintf("must have at most %d bytes", maxLine)}}
		case errors.Is(err, io.EOF):
			if cut := i.export.end(); cut != nil {
				return *cut, nil
			}
			return inputLog{}, io.EOF
		case err != nil:
			return inputLog{}, fmt.Errorf("reading the input after line %d: %w", log.line, err)
		case len(text) == 0:
			continue
		default:
			log.text = bytes.Clone(text)
			if exported, is := decodeExport(log.text); is {
				if cut := i.export.pass(exported, log.line); cut != nil {
					return *cut, nil
				}
				log.json, log.kind, log.wrong = i.action.sent(exported)
			} else {
				log.json, log.wrong = i.decode(log.text)
			}
			if log.json == nil && log.wrong == nil {
				continue
			}
		}
		return log, nil
	}
}

// counter counts what is read.
type counter struct {
	reader io.Reader
	read   int64
}

func (c *counter) Read(into []byte) (int, error) {
	n, err := c.reader.Read(into)
	c.read += int64(n)
	return n, err
}
