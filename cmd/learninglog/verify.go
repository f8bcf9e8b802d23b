package main

import (
	"cmp"
	"context"
	"io"

	"learninglog/internal/audit"
)

type verifyCommand struct {
	databaseFlags
	rebuildFlags
}

// Help is the additional text of --help.
func (*verifyCommand) Help() string {
	return `Nothing is changed and nobody is locked out. A running service does the work, at most --max-logs-per-second, or this command if there is none: then it works all rebuilds that are queued.

Exits with 0 if every total is right, 1 if there is drift, 2 if it could not be looked for.`
}

// Validate is called by kong.
func (c *verifyCommand) Validate() error {
	return cmp.Or(c.databaseFlags.Validate(), c.rebuildFlags.Validate())
}

// Run is rebuild --dry-run --wait, and fails if there is drift.
func (c *verifyCommand) Run(ctx context.Context, stdout io.Writer) error {
	args, err := c.args(true)
	if err != nil {
		return err
	}
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error {
		job, err := c.requestAndFollow(ctx, jobs, args, stdout, ownServer)
		if err != nil {
			return err
		}
		if err := report(stdout, job, c.pasteRepair(c.rebuildFlags)); err != nil {
			return err
		}
		if job.Progress.RowsDrifted > 0 {
			return errDrift
		}
		return nil
	})
}
