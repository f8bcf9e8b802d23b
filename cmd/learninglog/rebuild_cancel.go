package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"learninglog/internal/audit"
	"learninglog/rollup/rebuild"
)

type rebuildCancelCommand struct {
	databaseFlags

	ID      int64 `arg:"" optional:"" help:"The rebuild's id."`
	Waiting bool  `help:"Cancel all rebuilds and re-zones that wait, and leave those that run."`
}

// Help is the additional text of --help.
func (*rebuildCancelCommand) Help() string {
	return `  learninglog rebuild cancel 7
  learninglog rebuild cancel --waiting

It waits until the rebuild has ended: a moment, or some seconds if the process that worked it is gone.

Exits with 0 if the rebuild is cancelled, 2 if there is none, or none that hasn't ended. With --waiting, it exits with 0 even if none waited.`
}

// Validate is called by kong.
func (c *rebuildCancelCommand) Validate() error {
	if c.Waiting == (c.ID != 0) {
		return errors.New("either the id of a rebuild is needed, or --waiting")
	}
	return c.databaseFlags.Validate()
}

// Run cancels the rebuild, or all that wait.
func (c *rebuildCancelCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs audit.Jobs, _ bool) error {
		if c.Waiting {
			return cancelWaiting(ctx, jobs, stdout)
		}
		return c.cancelOne(ctx, jobs, stdout)
	})
}

func cancelWaiting(ctx context.Context, jobs audit.Jobs, stdout io.Writer) error {
	cancelled, err := jobs.CancelWaiting(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "cancelled: %d\n", cancelled)
	return err
}

// cancelOne cancels the rebuild, in whatever process it runs, and waits until it has
// ended.
func (c *rebuildCancelCommand) cancelOne(ctx context.Context, jobs audit.Jobs, stdout io.Writer) error {
	job, err := jobs.Get(ctx, c.ID)
	switch {
	case errors.Is(err, rebuild.ErrNotFound):
		return c.errUnknownRebuild(c.ID)
	case err != nil:
		return err
	case job.Ended():
		return fmt.Errorf("rebuild %d has ended already: it was %s", c.ID, job.State)
	}
	if err := jobs.Cancel(ctx, c.ID); err != nil {
		return err
	}
	job, err = c.follow(ctx, jobs.Jobs, c.ID, false)
	if err != nil {
		return err
	}
	if job.State != rebuild.Cancelled {
		return fmt.Errorf("rebuild %d ended before it could be cancelled: it was %s", c.ID, job.State)
	}
	_, err = fmt.Fprintf(stdout, "rebuild %d is cancelled, %s\n", c.ID, doneBefore(job))
	return err
}
