// Package query is the read side: summaries from the rollups, logs, and what
// became of rebuilds. It writes nothing.
//
// A summary shows every log that was acknowledged before it was asked for: it
// reads the rows that the same transaction changed.
package query

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotFound is the error of a look-up of something that isn't there.
var ErrNotFound = errors.New("not found")

// ErrEmptyRange is the error of a range whose end comes before its beginning.
var ErrEmptyRange = errors.New("from must not be after to")

// database is what reading needs of a pool.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	// Reset lets go of the connections that the pool has.
	Reset()
}

// Reader answers queries. It is safe for concurrent use.
type Reader struct {
	db database
}

// NewReader returns a reader of the database behind a pool, such as a pgxpool.Pool.
func NewReader(pool database) *Reader {
	return &Reader{db: pool}
}

// read runs a query and collects its rows. A database that was restarted, or
// has failed over, leaves broken connections in the pool: where the query meets
// one, all go, and it is asked once more.
func read[T any](
	ctx context.Context, db database, collect func(pgx.Rows) (T, error), query string, arguments ...any,
) (T, error) {
	ask := func() (found T, err error) {
		rows, err := db.Query(ctx, query, arguments...)
		if err != nil {
			return found, err
		}
		return collect(rows)
	}
	found, err := ask()
	if brokeOff(err) && ctx.Err() == nil {
		db.Reset()
		return ask()
	}
	return found, err
}

// brokeOff says whether err is the end of a connection, and not the failure to
// make a new one.
func brokeOff(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	if told, ok := errors.AsType[*pgconn.PgError](err); ok {
		return told.Code == pgerrcode.AdminShutdown || told.Code == pgerrcode.CrashShutdown
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
