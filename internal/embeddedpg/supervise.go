package embeddedpg

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// supervise restarts the server whenever it dies before Stop.
func (s *Server) supervise(ctx context.Context) {
	defer close(s.stopped)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		select {
		case <-s.stopping:
			return
		case <-s.process.done:
		}
		s.config.Logger.WarnContext(ctx, "PostgreSQL ended unexpectedly; starting it again",
			"how", s.process.err, "log", s.dirs.log)
		if !s.relaunch(ctx) {
			return
		}
		s.config.Logger.InfoContext(ctx, "PostgreSQL is back", "pid", s.PID())
	}
}

// relaunch retries until the server runs. It returns false if the server is to be
// stopped.
func (s *Server) relaunch(ctx context.Context) bool {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = 200*time.Millisecond, 2, 10*time.Second
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pauses.NextBackOff()):
		}
		err := s.launch(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.config.Logger.ErrorContext(ctx, "PostgreSQL doesn't start; trying again", "error", err)
	}
}
