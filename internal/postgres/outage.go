package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Unavailable says whether err means that the database can't do its work just
// now, and that the same request may well succeed later: it is away, restarting,
// full, read-only after a failover, or too slow. What was being written may or
// may not have been.
func Unavailable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // whatever the reason, nothing was asked of the database
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return passes(refused.Code)
	}
	var network net.Error
	return errors.As(err, &network) ||
		errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, puddle.ErrClosedPool) ||
		pgconn.Timeout(err) ||
		pgconn.SafeToRetry(err)
}

// passes says whether what an SQLSTATE stands for may be over the next time.
func passes(code string) bool {
	switch code {
	case pgerrcode.ReadOnlySQLTransaction,
		pgerrcode.IdleInTransactionSessionTimeout,
		pgerrcode.QueryCanceled,
		pgerrcode.LockNotAvailable:
		return true
	}
	return pgerrcode.IsConnectionException(code) ||
		pgerrcode.IsTransactionRollback(code) || // lost to others, time and again
		pgerrcode.IsInsufficientResources(code) || // disk full, too many connections, out of memory
		pgerrcode.IsOperatorIntervention(code) || // shutting down, starting up
		pgerrcode.IsSystemError(code)
}
