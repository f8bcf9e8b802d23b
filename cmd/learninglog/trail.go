package main

import (
	"context"

	"learninglog/internal/audit"
)

// startTrail begins to record what is done by whom, and to delete old records.
func (s *service) startTrail(ctx context.Context) error {
	s.trail = audit.New(s.database.pool, s.logger)
	if keep := s.flags.KeepAudit.duration; keep > 0 {
		s.keepRunning(ctx, "audit record", func(ctx context.Context) { s.trail.Keep(ctx, keep) })
	}
	return nil
}
