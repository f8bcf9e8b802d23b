package main

import (
	"cmp"
	"context"
	"io"

	"learninglog/internal/audit"
	"learninglog/rollup/rebuild"
)

type verifyCommand struct {
	databaseFlags
	rebuildFlags
	keyFlags

	URL *serviceURL `name:"url" placeholder:"URL" help:"Ask a service that is elsewhere, instead of its database. That needs a key with the scope rebuilds, if it runs with --auth=keys."`
}

// Help is the additional text of --help.
func (*verifyCommand) Help() string {
	return `Nothing is changed and nobody is locked out. A running service does the work, at most --max-logs-per-second, or this command if there is none: then it works all rebuilds that are queued.

With --url, a service is asked over HTTP; if the command is interrupted, it cancels the verification. One of the same scope that had been requested before is joined, and never cancelled; if it had begun already, another one follows it.

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
	if c.URL != nil {
		job, err := c.verifyRemotely(ctx, args, stdout)
		if err != nil {
			return err
		}
		return reportDrift(stdout, job, "learninglog rebuild --wait, where its database is")
	}
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error {
		job, err := c.requestAndFollow(ctx, jobs, args, stdout, ownServer)
		if err != nil {
			return err
		}
		return reportDrift(stdout, job, c.pasteRepair(c.rebuildFlags))
	})
}

// reportDrift prints what was found. It fails if that is drift.
func reportDrift(stdout io.Writer, job rebuild.Job, repair string) error {
	if err := report(stdout, job, repair); err != nil {
		return err
	}
	if job.Progress.RowsDrifted > 0 {
		return errDrift
	}
	return nil
}
