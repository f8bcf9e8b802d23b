// Package query is the read side: summaries from the rollups, and logs. It writes
// nothing.
//
// A summary shows every log that was acknowledged before it was asked for: it
// reads the rows that the same transaction changed.
package query

import (
	"errors"

	"learninglog/internal/retry"
)

// ErrNotFound is the error of a look-up of something that isn't there.
var ErrNotFound = errors.New("not found")

// Reader answers queries. It is safe for concurrent use.
type Reader struct {
	pool retry.Pool
}

// NewReader returns a reader of the database behind a pool, such as a pgxpool.Pool.
func NewReader(pool retry.Pool) *Reader {
	return &Reader{pool: pool}
}
