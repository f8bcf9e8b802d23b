package main

import (
	"context"
	"fmt"

	"learninglog/internal/audit"
	"learninglog/internal/panics"
)

// startTrail begins to record what is done by whom, and to delete old records.
func (s *service) startTrail(ctx context.Context) error {
	s.trail = audit.New(s.database.pool, s.logger)
	if s.flags.KeepAudit.duration == 0 {
		return nil
	}
	deleting, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := panics.Caught(func() { s.trail.Keep(deleting, s.flags.KeepAudit.duration) }); err != nil {
			s.fail(fmt.Errorf("deleting old records of what was done: %w", err))
		}
	}()
	s.stops.add("audit record", func(context.Context) error {
		stop()
		<-done
		return nil
	})
	return nil
}
