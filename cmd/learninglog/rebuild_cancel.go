package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/riverqueue/river/rivertype"

	"learninglog/command"
	"learninglog/query"
	"learninglog/rollup"
)

type rebuildCancelCommand struct {
	databaseFlags

	ID int64 `arg:"" help:"The rebuild's id."`
}

// Help is what --help says more.
func (*rebuildCancelCommand) Help() string {
	return `It waits until the rebuild has ended: a moment, or some seconds if the process that worked it is gone.

Exits with 0 if the rebuild is cancelled, 2 if there is none, or none that hasn't ended.`
}

// Run cancels the rebuild, whatever process works it, and waits for its end.
func (c *rebuildCancelCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs *rollup.Jobs, _ bool) error {
		rebuild, err := query.GetRebuild(ctx, jobs.Client(), c.ID)
		switch {
		case errors.Is(err, query.ErrNotFound):
			return c.errUnknownRebuild(c.ID)
		case err != nil:
			return err
		case rebuild.Ended():
			return fmt.Errorf("rebuild %d has ended already: it was %s", c.ID, rebuild.State)
		}
		if err := command.CancelRebuild(ctx, jobs.Client(), c.ID); err != nil {
			return err
		}
		rebuild, err = c.follow(ctx, jobs, c.ID, false)
		if err != nil {
			return err
		}
		if rebuild.State != rivertype.JobStateCancelled {
			return fmt.Errorf("rebuild %d ended before it could be cancelled: it was %s", c.ID, rebuild.State)
		}
		_, err = fmt.Fprintf(stdout, "rebuild %d is cancelled, %s\n", c.ID, doneBefore(rebuild))
		return err
	})
}
