package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cenkalti/backoff/v5"

	"learninglog/internal/postgres"
)

// outagePatience is how long a command that waits goes on asking a database that is
// away: a service that restarts takes its embedded one with it.
const outagePatience = time.Minute

// outage is a database that is away while a command waits for it.
type outage struct {
	since time.Time // or zero, while the database answers
}

// shouldRetry says whether to ask again after err. The first time in an outage it
// tells the person who waits; beforeTelling clears what is in the way on the terminal.
func (o *outage) shouldRetry(err error, beforeTelling func()) bool {
	if !postgres.Unavailable(err) {
		return false
	}
	if o.since.IsZero() {
		o.since = time.Now()
		beforeTelling()
		_, _ = fmt.Fprintf(os.Stderr, "the database is away, and is waited for, for %s: %v\n", outagePatience, err)
	}
	return time.Since(o.since) < outagePatience
}

// over says that the database answers, and whether it was away.
func (o *outage) over() (wasAway bool) {
	wasAway = !o.since.IsZero()
	*o = outage{}
	return wasAway
}

// outlasting calls ask until it succeeds, fails for good, or the database has been
// away for too long. It returns ask's last error, or why ctx ended.
func outlasting(ctx context.Context, ask func() error) error {
	var away outage
	try := func() (struct{}, error) {
		err := ask()
		if err != nil && (ctx.Err() != nil || !away.shouldRetry(err, func() {})) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, try,
		backoff.WithBackOff(backoff.NewConstantBackOff(pollEvery)),
		backoff.WithMaxElapsedTime(0)) // it is the outage that knows for how long
	return err
}
