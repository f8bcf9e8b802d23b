package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Unavailable reports whether err means that the database can't work at the moment,
// so that the same request may succeed later: the database is down, restarting,
// full, read-only after a failover, or too slow. It is unknown whether a write was
// committed.
func Unavailable(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // whatever the reason, the query never reached the database
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return isTemporary(refused.Code) || hasLostNode(refused)
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

// hasLostNode reports whether a node of a cluster was lost in a transaction. Citus has no
// SQLSTATE for that, and doesn't translate what it says.
func hasLostNode(refused *pgconn.PgError) bool {
	return refused.Code == pgerrcode.InternalError &&
		(strings.HasPrefix(refused.Message, "failure on connection marked as essential") ||
			strings.HasPrefix(refused.Message, "could not commit transaction for shard"))
}

// isTemporary reports whether the condition of an SQLSTATE may be over at the next
// try.
func isTemporary(code string) bool {
	switch code {
	case pgerrcode.ReadOnlySQLTransaction,
		pgerrcode.IdleInTransactionSessionTimeout,
		pgerrcode.QueryCanceled,
		pgerrcode.LockNotAvailable:
		return true
	}
	return pgerrcode.IsConnectionException(code) ||
		pgerrcode.IsTransactionRollback(code) || // repeated conflicts with other transactions
		pgerrcode.IsInsufficientResources(code) || // disk full, too many connections, out of memory
		pgerrcode.IsOperatorIntervention(code) || // shutting down, starting up
		pgerrcode.IsSystemError(code)
}
