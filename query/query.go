// Package query is the read side: summaries from the rollups, logs, and what
// became of rebuilds. It writes nothing.
//
// A summary shows every log that was acknowledged before it was asked for: it
// reads the rows that the same transaction changed.
package query

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// ErrNotFound is the error of a look-up of something that isn't there.
var ErrNotFound = errors.New("not found")

// ErrEmptyRange is the error of a range whose end comes before its beginning.
var ErrEmptyRange = errors.New("from must not be after to")

// database is what reading needs of a pgx pool or connection.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// Reader answers queries. It is safe for concurrent use.
type Reader struct {
	db database
}

// NewReader returns a reader of the database.
func NewReader(db database) *Reader {
	return &Reader{db: db}
}
