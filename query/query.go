// Package query is the read side: summaries from the rollups, and lists of logs. It
// writes nothing.
//
// A summary includes every log that was acknowledged before the summary was
// requested, because it reads rows that were changed in the same transaction as the
// logs.
package query

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"learninglog/internal/retry"
)

// ErrNotFound means that the requested log doesn't exist.
var ErrNotFound = errors.New("not found")

// ErrSumTooLarge means that a sum doesn't fit into a bigint. So rows of the rollup are
// corrupt, and a rebuild repairs them.
var ErrSumTooLarge = errors.New("a sum doesn't fit into a bigint")

// Reader answers queries. It is safe for concurrent use.
type Reader struct {
	pool retry.Pool
	at   func(user uuid.UUID) retry.Pool
	zone *time.Location
}

// NewReader returns a reader of the database behind a pool, such as a pgxpool.Pool. zone
// is the time zone of learners of whom no other is known.
func NewReader(pool retry.Pool, zone *time.Location) *Reader {
	return &Reader{pool: pool, at: func(uuid.UUID) retry.Pool { return pool }, zone: zone}
}

// At makes the reader ask another pool for what is about a user: the one that at returns.
func (r *Reader) At(at func(user uuid.UUID) retry.Pool) { r.at = at }
