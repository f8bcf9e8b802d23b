package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"

	"learninglog/internal/postgres"
)

// outageTimeout is how long a waiting command retries while the database is
// unavailable. An embedded database, for example, restarts together with its
// service.
const outageTimeout = time.Minute

// outage is the state of a command that waits for an unavailable database.
type outage struct {
	since time.Time // zero while the database is available
}

// shouldRetry reports whether to retry after err. At the beginning of an outage, it
// calls beforePrinting, which clears the terminal, and prints a message.
func (o *outage) shouldRetry(err error, beforePrinting func()) bool {
	if !postgres.Unavailable(err) {
		return false
	}
	if o.since.IsZero() {
		o.since = time.Now()
		beforePrinting()
		_, _ = fmt.Fprintf(os.Stderr, "the database is away, and is waited for, for %s: %v\n", outageTimeout, err)
	}
	return time.Since(o.since) < outageTimeout
}

// over notes that the database has answered, and reports whether it was unavailable
// before.
func (o *outage) over() (wasAway bool) {
	wasAway = !o.since.IsZero()
	*o = outage{}
	return wasAway
}

// retryDuringOutage calls work until it succeeds, until it fails with another error,
// or until the database has been unavailable for too long. It returns the last error
// of work, or the cause if ctx has ended.
func retryDuringOutage(ctx context.Context, work func() error) error {
	var away outage
	try := func() (struct{}, error) {
		err := work()
		if err != nil && (ctx.Err() != nil || !away.shouldRetry(err, func() {})) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, try,
		backoff.WithBackOff(backoff.NewConstantBackOff(pollEvery)),
		backoff.WithMaxElapsedTime(0)) // outage sets the time limit
	return err
}
