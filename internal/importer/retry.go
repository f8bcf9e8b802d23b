package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// GaveUpError is the error of an import that was given up because the service
// acknowledged nothing for too long.
type GaveUpError struct {
	After time.Duration
	Err   error // of the last try
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("the service acknowledged nothing for %s: %v", e.After.Round(time.Second), e.Err)
}

// Unwrap returns the error of the last try.
func (e *GaveUpError) Unwrap() error { return e.Err }

// seeThrough sends logs until all are settled. It waits longer and longer
// between tries, and begins anew with every log that is acknowledged.
func (i *Importer) seeThrough(ctx context.Context, logs []inputLog) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 5*time.Second
	acknowledged := time.Now()
	for len(logs) > 0 {
		rest, err := i.send(ctx, logs)
		if len(rest) < len(logs) {
			acknowledged = time.Now()
			pause.Reset()
		}
		logs = rest
		switch {
		case len(logs) == 0:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !passes(err):
			return err
		}
		i.update(func(p *Progress) { p.Trouble = err })
		left := i.config.RetryFor - time.Since(acknowledged)
		if left <= 0 {
			return &GaveUpError{After: time.Since(acknowledged), Err: err}
		}
		select {
		case <-time.After(min(max(pause.NextBackOff(), retryAfter(err)), left)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// passes says whether sending again can end differently.
func passes(err error) bool {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.passes()
	}
	if _, ok := errors.AsType[*RejectError](err); ok {
		return false
	}
	return !errors.Is(err, errNotOurs)
}

// retryAfter is what the service asks for.
func retryAfter(err error) time.Duration {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.retryAfter
	}
	return 0
}
