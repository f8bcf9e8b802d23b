package importer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// GaveUpError means that the service acknowledged nothing for too long.
type GaveUpError struct {
	After time.Duration
	Err   error // the error of the last try
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("the service acknowledged nothing for %s: %v", e.After.Round(time.Second), e.Err)
}

// Unwrap returns the error of the last try.
func (e *GaveUpError) Unwrap() error { return e.Err }

// sendAll sends logs until each of them has a final outcome. send returns those that have
// none. It retries with exponential backoff, which is reset whenever a log is acknowledged.
func (s *Sender) sendAll(
	ctx context.Context, send func(context.Context, []inputLog) (rest []inputLog, err error), logs []inputLog,
) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 200*time.Millisecond, 5*time.Second
	acknowledged := time.Now()
	for len(logs) > 0 {
		rest, err := send(ctx, logs)
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
		case !isRetryable(err):
			return err
		}
		s.update(func(p *Progress) { p.Trouble = err })
		left := s.config.RetryFor - time.Since(acknowledged)
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

// isRetryable reports whether a retry can succeed.
func isRetryable(err error) bool {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.isRetryable()
	}
	if _, ok := errors.AsType[*RejectError](err); ok {
		return false
	}
	return !errors.Is(err, errNotOurs)
}

// retryAfter returns the pause that the service asks for, or 0.
func retryAfter(err error) time.Duration {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused.retryAfter
	}
	return 0
}
