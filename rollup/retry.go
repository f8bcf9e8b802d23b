package rollup

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxTries bounds how often a unit of work that lost to another is tried.
const maxTries = 8

// Retry calls work until it doesn't fail because of another transaction
// (deadlock or serialization failure), at most 8 times, with growing random
// pauses. Writers lock rows in the order of their keys, so this is rare; but a
// statement from elsewhere may lock them in any order.
//
// work must leave nothing behind when it fails: it is one statement outside a
// transaction, or a whole transaction. Its last error is returned as it is.
func Retry(ctx context.Context, work func() error) error {
	for try := 1; ; try++ {
		err := work()
		if !lostToAnother(err) || try == maxTries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause(try)):
		}
	}
}

// pause grows from up to 10 ms to up to 640 ms.
func pause(try int) time.Duration {
	const shortest = 10 * time.Millisecond
	return rand.N(shortest << (try - 1)) //nolint:gosec // no secret
}

func lostToAnother(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) &&
		(refused.Code == pgerrcode.DeadlockDetected || refused.Code == pgerrcode.SerializationFailure)
}
