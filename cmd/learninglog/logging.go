package main

import (
	"context"
	"log/slog"
)

// onlyWarnings returns a logger that drops everything below warnings. It is for
// libraries that log every step.
func onlyWarnings(logger *slog.Logger) *slog.Logger {
	return slog.New(warnings{logger.Handler()})
}

type warnings struct {
	handler slog.Handler
}

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.handler.Enabled(ctx, level)
}

func (w warnings) Handle(ctx context.Context, record slog.Record) error {
	return w.handler.Handle(ctx, record)
}

func (w warnings) WithAttrs(attributes []slog.Attr) slog.Handler {
	return warnings{w.handler.WithAttrs(attributes)}
}

func (w warnings) WithGroup(name string) slog.Handler {
	return warnings{w.handler.WithGroup(name)}
}
