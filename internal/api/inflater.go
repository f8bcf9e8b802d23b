package api

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// errInflating means that a body is not what its Content-Encoding says.
var errInflating = errors.New("the body can't be decompressed: it must be whole, and in the format gzip")

// errExpanding means that a body would expand to too much.
var errExpanding = fmt.Errorf("the body must not expand to more than %d times its length", maxExpansion)

const (
	// maxExpansion is how many times larger than its compressed form a body may be, after
	// the first freeExpansion bytes. Learning logs become about ten times smaller.
	maxExpansion  = 100
	freeExpansion = 1 << 20
)

// inflater reads a body that is compressed with gzip, as it arrives.
type inflater struct {
	source   counter
	gzip     *gzip.Reader // nil before the first read
	inflated int64
}

func newInflater(body io.Reader) *inflater { return &inflater{source: counter{reader: body}} }

func (i *inflater) Read(into []byte) (int, error) {
	if i.gzip == nil {
		reader, err := gzip.NewReader(&i.source)
		if err != nil {
			return 0, i.explain()
		}
		i.gzip = reader
	}
	n, err := i.gzip.Read(into)
	if i.inflated += int64(n); i.inflated > freeExpansion+maxExpansion*i.source.read {
		return 0, errExpanding
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = i.explain()
	}
	return n, err
}

// explain tells a body that is wrong from one that doesn't arrive.
func (i *inflater) explain() error {
	if i.source.err != nil && !errors.Is(i.source.err, io.EOF) {
		return i.source.err
	}
	return errInflating
}

// counter counts what is read, and remembers the last error.
type counter struct {
	reader io.Reader
	read   int64
	err    error
}

func (c *counter) Read(into []byte) (int, error) {
	n, err := c.reader.Read(into)
	c.read += int64(n)
	c.err = err
	return n, err
}
