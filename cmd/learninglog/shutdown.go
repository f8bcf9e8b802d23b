package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// shutdown has the steps that undo a start.
type shutdown struct {
	steps []shutdownStep
}

type shutdownStep struct {
	name string
	stop func(context.Context) error
}

func (s *shutdown) add(name string, stop func(context.Context) error) {
	s.steps = append(s.steps, shutdownStep{name: name, stop: stop})
}

// stop runs the steps, the last one first, all within timeout. Even after the
// timeout, each remaining step has a second to clean up. If a step fails, the others
// still run.
func (s *shutdown) stop(logger *slog.Logger, timeout time.Duration) error {
	const moment = time.Second
	deadline := time.Now().Add(timeout)
	var failures []error
	for _, step := range slices.Backward(s.steps) {
		ctx, cancel := context.WithTimeout(context.Background(), max(time.Until(deadline), moment))
		err := step.stop(ctx)
		cancel()
		logger.Debug("stopped", "what", step.name, "error", err)
		if err != nil {
			failures = append(failures, fmt.Errorf("stopping the %s: %w", step.name, err))
		}
	}
	return errors.Join(failures...)
}
