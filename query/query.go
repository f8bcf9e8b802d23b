// Package query is the read side: summaries from the rollups, and lists of logs. It
// writes nothing.
//
// A summary includes every log that was acknowledged before the summary was
// requested, because it reads rows that were changed in the same transaction as the
// logs.
package query

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
)

// ErrNotFound means that the requested log doesn't exist.
var ErrNotFound = errors.New("not found")

// ErrSumTooLarge means that a sum doesn't fit into a bigint. So rows of the rollup are
// corrupt, and a rebuild repairs them.
var ErrSumTooLarge = errors.New("a sum doesn't fit into a bigint")

// Reader answers queries. It is safe for concurrent use.
type Reader struct {
	pool    Pool
	at      func(user uuid.UUID) Pool
	zone    *time.Location
	horizon Horizon
	lanes   *lanes
}

// Horizon tells which logs were purged. The sums still have them; the lists don't.
type Horizon interface {
	// PurgedBefore returns the instant before which logs were purged, or the zero time.
	PurgedBefore() time.Time
}

// Pool is the part of a pgxpool.Pool that a reader uses.
type Pool interface {
	retry.Pool
	retry.Connections
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// NewReader returns a reader of the database behind a pool, such as a pgxpool.Pool. zone
// is the time zone of learners of whom no other is known.
func NewReader(pool Pool, zone *time.Location) *Reader {
	return &Reader{pool: pool, at: func(uuid.UUID) Pool { return pool }, zone: zone, lanes: newLanes(1)}
}

// WithLanes returns a reader that reads so many round trips of small reads at the same time,
// instead of one.
func (r *Reader) WithLanes(lanes int) *Reader {
	wider := *r
	wider.lanes = newLanes(lanes)
	return &wider
}

// WithNodes returns a reader that asks the pool that at returns for what is about a user.
func (r *Reader) WithNodes(at func(user uuid.UUID) Pool) *Reader {
	knowing := *r
	knowing.at = at
	return &knowing
}

// WithHorizon returns a reader that knows which logs were purged.
func (r *Reader) WithHorizon(horizon Horizon) *Reader {
	knowing := *r
	knowing.horizon = horizon
	return &knowing
}

// PurgedBefore returns the instant before which logs were purged, as far as it is known, or
// the zero time.
func (r *Reader) PurgedBefore() time.Time {
	if r.horizon == nil {
		return time.Time{}
	}
	return r.horizon.PurgedBefore()
}
