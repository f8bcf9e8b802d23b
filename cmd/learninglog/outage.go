package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"learninglog/internal/postgres"
)

// outagePatience is how long a command that waits goes on asking a database that is
// away: a service that restarts takes its embedded one with it.
const outagePatience = time.Minute

// outage is a database that is away while a command waits for it.
type outage struct {
	since time.Time // or zero, while the database answers
	err   error     // the last
}

// bear says whether to ask again after err, and once that the database is away.
// beforeTelling clears what is in the way on the terminal.
func (o *outage) bear(err error, beforeTelling func()) bool {
	if !postgres.Unavailable(err) {
		return false
	}
	o.err = err
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
// away for too long.
func outlasting(ctx context.Context, ask func() error) error {
	var away outage
	for {
		err := ask()
		if err == nil || ctx.Err() != nil || !away.bear(err, func() {}) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}
