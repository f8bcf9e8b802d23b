package main

import (
	"cmp"
	"context"
	"io"

	"learninglog/internal/audit"
)

type rezoneCommand struct {
	databaseFlags
	rebuildFlags

	TimeZone timeZone `required:"" placeholder:"ZONE" help:"Where the clocks of the learners were, by its IANA name, such as Asia/Tokyo."`
	Wait     bool     `help:"Wait until it is done, and show the progress. A running service does the work, or this command if there is none: then it works all rebuilds that are queued."`
}

// Help is the additional text of --help.
func (*rezoneCommand) Help() string {
	return `A log counts on the date that its learner's clock showed. Logs that were posted without a zone got that of the service; a re-zone gives them another one, and moves their sums to the dates that result, while everybody goes on writing. --from and --to are dates of UTC, whatever zones the logs have.

Logs that were posted with a zone or an offset of their own stay as they are. A wrong re-zone can be followed by a right one, which waits until the wrong one has ended or is cancelled. Logs that are posted later without a zone still get that of the service. Days whose logs were purged stay as they are.

  learninglog rezone --time-zone Asia/Tokyo --users-file in-japan.txt --wait
  learninglog rezone --time-zone Europe/Berlin --to 2026-03-31
  learninglog rebuild watch 7                                      how far is it?
  learninglog rebuild cancel 7                                     what is done stays done

While a re-zone of the same scope to the same zone waits or runs there is no second one. Exits with 0 if it was done (or requested, without --wait), or else 2.`
}

// Validate is called by kong.
func (c *rezoneCommand) Validate() error {
	return cmp.Or(c.databaseFlags.Validate(), c.rebuildFlags.Validate())
}

// Run requests a re-zone. With --wait, it also waits until the re-zone has ended.
func (c *rezoneCommand) Run(ctx context.Context, stdout io.Writer) error {
	args, err := c.args(false)
	if err != nil {
		return err
	}
	args.TimeZone = c.TimeZone.location.String()
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error {
		if !c.Wait {
			return c.request(ctx, jobs, args, stdout, ownServer)
		}
		job, err := c.requestAndFollow(ctx, jobs, args, stdout, ownServer)
		if err != nil {
			return err
		}
		return report(stdout, job, "")
	})
}
