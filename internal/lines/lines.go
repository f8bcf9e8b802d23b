// Package lines reads lines of any number and any length in constant memory.
package lines

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// ErrTooLong is the error of a line that is longer than is wanted. The line is
// passed over; the next one can be read.
var ErrTooLong = errors.New("the line is too long")

// Reader reads lines. It holds no more of them than one of the longest.
type Reader struct {
	source  *source
	buffer  *bufio.Reader
	longest int
	number  int
}

// NewReader returns a reader of the lines of r, each of at most longest bytes.
func NewReader(r io.Reader, longest int) *Reader {
	const lineBreak = 2 // \r\n
	s := &source{reader: r}
	return &Reader{source: s, buffer: bufio.NewReaderSize(s, longest+lineBreak), longest: longest}
}

// Next returns the next line, without the spaces around it and its line break.
// It is valid until the next call, and empty for a blank line. The last line may
// do without a line break. After that the error is [io.EOF]; if reading fails it
// is that error, and what came of the line is dropped, as it may lack its end.
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

// passOver reads to the end of a line that is too long.
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

// AtHand says whether Next returns without waiting for more to arrive. Of a line
// that is too long it may say so wrongly.
func (r *Reader) AtHand() bool {
	if r.source.err != nil {
		return true
	}
	arrived, _ := r.buffer.Peek(r.buffer.Buffered())
	return bytes.IndexByte(arrived, '\n') >= 0
}

// Number returns the number of the line that Next returned last, from 1; blank
// and too long ones count.
func (r *Reader) Number() int { return r.number }

// source remembers how reading ended, which may come together with the last
// bytes.
type source struct {
	reader io.Reader
	err    error
}

func (s *source) Read(into []byte) (int, error) {
	n, err := s.reader.Read(into)
	s.err = err
	return n, err
}
