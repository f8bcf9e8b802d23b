package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// shutdown is the steps that undo a start.
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

// stop undoes the steps, the last first, all within timeout; but a step that comes
// later has a moment all the same, to leave things in order. One that fails does
// not keep the others from being undone.
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
