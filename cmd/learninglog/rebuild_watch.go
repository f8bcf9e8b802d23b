package main

import (
	"context"
	"io"

	"learninglog/internal/audit"
)

type rebuildWatchCommand struct {
	databaseFlags

	ID int64 `arg:"" help:"The rebuild's id."`
}

// Help is the additional text of --help.
func (*rebuildWatchCommand) Help() string {
	return `A running service does the work, or this command if there is none: then it works all rebuilds that are queued. Ctrl-C ends the watching and not the rebuild.

Exits with 0 when the rebuild is done, 2 if it was cancelled or given up.`
}

// Run waits until the rebuild has ended, and reports what it found and did.
func (c *rebuildWatchCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error {
		job, err := c.follow(ctx, jobs.Jobs, c.ID, ownServer)
		if err != nil {
			return err
		}
		return report(stdout, job, c.pasteRepair(flagsOf(job.Args.Scope)))
	})
}
