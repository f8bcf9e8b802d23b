// Package retry does again what the database failed to do because of somebody else.
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
)

const (
	// maxTries bounds how often a unit of work that lost to another is tried.
	maxTries = 8
	// firstPause is how long the first pause is on average.
	firstPause = 5 * time.Millisecond
)

// Conflicts calls work until it doesn't fail because of another transaction
// (deadlock or serialization failure), at most 8 times, with random pauses that
// grow from about 5 ms to about 320 ms. Writers lock rows in the order of their
// keys, so this is rare; but a statement from elsewhere may lock them in any order.
//
// work must leave nothing behind when it fails: it is one statement outside a
// transaction, or a whole transaction. Its last error is returned as it is, also
// where ctx ends during a pause.
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

// Pool is what reading needs of a pool of connections, such as a pgxpool.Pool.
type Pool interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
	// Reset lets go of the connections that the pool has.
	Reset()
}

// Read runs a query and collects its rows. A database that was restarted, or
// has failed over, leaves broken connections in the pool: where the query meets
// one, all go, and it is asked once more.
func Read[T any](
	ctx context.Context, pool Pool, collect func(pgx.Rows) (T, error), query string, arguments ...any,
) (T, error) {
	ask := func() (found T, err error) {
		rows, err := pool.Query(ctx, query, arguments...)
		if err != nil {
			return found, err
		}
		return collect(rows)
	}
	found, err := ask()
	if brokeOff(err) && ctx.Err() == nil {
		pool.Reset()
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
