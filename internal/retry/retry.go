// Package retry repeats database work that failed because of conflicts or broken
// connections.
package retry

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// maxTries limits the number of tries after conflicts.
	maxTries = 8
	// firstPause is the average length of the first pause.
	firstPause = 5 * time.Millisecond
)

// Conflicts calls work again while it fails because of another transaction (deadlock
// or serialization failure), up to 8 tries in all. Between tries it makes random
// pauses, which grow from about 5 ms to about 320 ms. Such conflicts are rare,
// because writers lock rows in the order of their keys; but other statements may
// lock them in any order.
//
// work must have no effect when it fails: it must be one statement outside a
// transaction, or a whole transaction. Conflicts returns the last error of work
// unchanged, even if ctx ends during a pause.
func Conflicts(ctx context.Context, work func() error) error {
	var last error
	_, _ = backoff.Retry(ctx, func() (struct{}, error) {
		last = work()
		if last != nil && !lostToAnother(last) {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}, backoff.WithBackOff(pauses()), backoff.WithMaxTries(maxTries), backoff.WithMaxElapsedTime(0))
	return last
}

func pauses() backoff.BackOff {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.RandomizationFactor = firstPause, 2, 1
	return pauses
}

func lostToAnother(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refused.Code == pgerrcode.DeadlockDetected || refused.Code == pgerrcode.SerializationFailure)
}

// Pool is the part of a connection pool that reading uses, such as a pgxpool.Pool.
type Pool interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	// Reset closes all connections of the pool.
	Reset()
}

// Read runs a query and collects its rows. After a restart or a failover, the pool
// has broken connections. If the query meets one, Read resets the pool and runs the
// query once more.
func Read[T any](
	ctx context.Context, pool Pool, collect func(pgx.Rows) (T, error), query string, arguments ...any,
) (T, error) {
	var found T
	err := onceMore(ctx, pool, func() error {
		rows, err := pool.Query(ctx, query, arguments...)
		if err != nil {
			return err
		}
		found, err = collect(rows)
		return err
	})
	return found, err
}

// onceMore reads, and reads once more if it met a broken connection.
func onceMore(ctx context.Context, pool interface{ Reset() }, read func() error) error {
	err := read()
	if brokeOff(err) && ctx.Err() == nil {
		pool.Reset()
		return read()
	}
	return err
}

// Query is one of several queries that are read together.
type Query struct {
	SQL       string
	Arguments []any
	// Collect collects the rows. It is called again if the connection broke meanwhile. What
	// it finds holds unless reading failed.
	Collect func(pgx.Rows)
}

// Connections is the part of a connection pool that reading together uses, such as a
// pgxpool.Pool.
type Connections interface {
	Acquire(ctx context.Context) (*pgxpool.Conn, error)
	// Reset closes all connections of the pool.
	Reset()
}

// ReadTogether runs queries in one round trip. It returns how many were read: if that isn't
// all, the next one failed with the error, and those after it weren't run. Only if none was
// read, it may be another one that failed: one that PostgreSQL doesn't understand. It meets
// broken connections as [Read] does. Then those that weren't read go over another connection, so
// none may depend on what one before it has set, but for its speed.
func ReadTogether(ctx context.Context, pool Connections, queries []Query) (read int, err error) {
	err = onceMore(ctx, pool, func() error {
		n, err := readTogether(ctx, pool, queries[read:])
		read += n
		return err
	})
	return read, err
}

func readTogether(ctx context.Context, pool Connections, queries []Query) (read int, err error) {
	connection, err := pool.Acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer connection.Release()
	var batch pgx.Batch
	for _, query := range queries {
		batch.Queue(query.SQL, query.Arguments...)
	}
	results := connection.SendBatch(ctx, &batch)
	defer func() { _ = results.Close() }() // which can only fail with what has failed before
	for _, query := range queries {
		rows, _ := results.Query() // whose error the rows have too
		query.Collect(rows)
		rows.Close()
		if err := rows.Err(); err != nil {
			return read, err
		}
		read++
	}
	return read, nil
}

// brokeOff reports whether an existing connection broke, rather than that a new one
// couldn't be made.
func brokeOff(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code == pgerrcode.AdminShutdown || refused.Code == pgerrcode.CrashShutdown
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
