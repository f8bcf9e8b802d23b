// Package lines reads any number of lines, of any length, in constant memory.
package lines

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrTooLong means that a line is longer than allowed. The line is skipped, and the
// next one can be read.
var ErrTooLong = errors.New("the line is too long")

// Reader reads lines. It holds at most one line of the largest allowed length.
type Reader struct {
	source  *source
	buffer  *bufio.Reader
	longest int
	number  int
}

// NewReader returns a reader of the lines of r. A line may have at most longest
// bytes.
func NewReader(r io.Reader, longest int) *Reader {
	const lineBreak = 2 // \r\n
	s := &source{reader: r}
	return &Reader{source: s, buffer: bufio.NewReaderSize(s, longest+lineBreak), longest: longest}
}

// Next returns the next line, without its line break and without surrounding spaces.
// The slice is valid until the next call. It is empty for a blank line. The last
// line needs no line break. After it, Next returns [io.EOF]. If reading fails, Next
// returns that error and drops the current line, which may be incomplete.
func (r *Reader) Next() ([]byte, error) {
	line, err := r.buffer.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.number++
		return nil, r.passOver()
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	r.number++
	if line = bytes.TrimSpace(line); len(line) > r.longest {
		return nil, ErrTooLong
	}
	return line, nil
}

// passOver skips the rest of a line that is too long.
func (r *Reader) passOver() error {
	for {
		_, err := r.buffer.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err == nil || errors.Is(err, io.EOF):
			return ErrTooLong
		default:
			return err
		}
	}
}

// AtHand reports whether Next would return without waiting for more input. It may be
// wrong if the next line is too long.
func (r *Reader) AtHand() bool {
	if r.source.err != nil {
		return true
	}
	arrived, _ := r.buffer.Peek(r.buffer.Buffered())
	return bytes.IndexByte(arrived, '\n') >= 0
}

// Number returns the number of the line that Next returned last, from 1. Blank lines
// and lines that are too long count too.
func (r *Reader) Number() int { return r.number }

// source remembers the error that ended the reading. A reader may return it together
// with the last bytes.
type source struct {
	reader io.Reader
	err    error
}

func (s *source) Read(into []byte) (int, error) {
	n, err := s.reader.Read(into)
	s.err = err
	return n, err
}
