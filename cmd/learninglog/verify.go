package main

import (
	"context"
	"io"

	"learninglog/rollup"
)

type verifyCommand struct {
	databaseFlags
	scopeFlags
}

// Run is rebuild --dry-run --wait, and fails where there is drift.
func (c *verifyCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs *rollup.Jobs, ownServer bool) error {
		rebuild, err := c.seeThrough(ctx, jobs, true, stdout, ownServer)
		if err != nil {
			return err
		}
		if err := report(stdout, rebuild); err != nil {
			return err
		}
		if rebuild.Progress.RowsDrifted > 0 {
			return errDrift
		}
		return nil
	})
}
