package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"learninglog/internal/audit"
	"learninglog/rollup/rebuild"
)

type purgeCommand struct {
	databaseFlags

	OlderThan        days `required:"" env:"LEARNINGLOG_KEEP_LOGS" placeholder:"TIME" help:"How old logs must be, by their timestamps, in whole days, such as 400d. Older ones are refused from now on, and those that are a day older are deleted."`
	DryRun           bool `help:"Count the logs that would be deleted, and change nothing."`
	Workers          int  `default:"1" help:"On how many connections to work at the same time, at most ${max_workers}."`
	MaxLogsPerSecond int  `default:"${rebuild_pace}" help:"How many logs to go through in a second, on average, so that a busy database is left to its writers: at least ${min_pace}, or 0, which is as many as it can."`
}

// Help is the additional text of --help.
func (*purgeCommand) Help() string {
	return `A purge deletes old logs and keeps what they add up to, for each learner and date, while everybody goes on writing. So no total changes, and verify and rebuild are as exact as before. What is deleted can't be brought back, except from a back-up.

A log that is older is refused from then on, in every way in (too_old), because it could be one that was deleted and is sent again. So a purge begins a minute after it was asked for, when every replica knows that. Learners whose rollups have drifted are left as they are: rebuild first, and purge again.

A service purges by itself, every day, with --keep-logs.

  learninglog purge --older-than 400d --dry-run    how much would that be?
  learninglog purge --older-than 400d
  learninglog rebuild watch 7                      how far is it?
  learninglog rebuild cancel 7                     what is purged stays purged

A running service does the work, or this command if there is none: then it works all rebuilds that are queued. Ctrl-C ends the waiting and not the purge. Exits with 0 if it was done, 1 if learners were left as they are, 2 if it failed or was cancelled.`
}

// Validate is called by kong.
func (c *purgeCommand) Validate() error {
	if err := wrongDays("--older-than", c.OlderThan); err != nil {
		return err
	}
	flags := rebuildFlags{Workers: c.Workers, MaxLogsPerSecond: c.MaxLogsPerSecond}
	return cmp.Or(c.databaseFlags.Validate(), flags.Validate())
}

// wholeDays returns the number of days after which logs may be purged.
func wholeDays(flag string, after days) (int, error) {
	const day = 24 * time.Hour
	number := int(after.duration / day)
	if err := rebuild.CheckPurgeDays(number); err != nil {
		return 0, fmt.Errorf("%s %w, such as 400d", flag, err)
	}
	if after.duration%day != 0 {
		return 0, fmt.Errorf("%s must be whole days, such as 400d", flag)
	}
	return number, nil
}

func wrongDays(flag string, after days) error {
	_, err := wholeDays(flag, after)
	return err
}

// Run requests a purge, and waits until it has ended.
func (c *purgeCommand) Run(ctx context.Context, stdout io.Writer) error {
	older, err := wholeDays("--older-than", c.OlderThan)
	if err != nil {
		return err
	}
	args := rebuild.Args{
		PurgeOlderThanDays: older, DryRun: c.DryRun, Operator: true, Workers: c.Workers, MaxLogsPerSecond: c.MaxLogsPerSecond,
	}
	return c.withJobs(ctx, func(jobs audit.Jobs, ownServer bool) error {
		job, err := c.requestAndFollow(ctx, jobs, args, stdout, ownServer)
		if err != nil {
			return err
		}
		return reportDrift(stdout, job, c.paste("rebuild", "--wait"))
	})
}

// reportPurge prints what a purge deleted, or would.
func reportPurge(stdout io.Writer, job rebuild.Job, repair string) error {
	progress := job.Progress
	bytes := humanize.Bytes(uint64(max(0, progress.BytesPurged)))
	what := "Purged %s from before %s, about %s with their indexes. No total has changed. PostgreSQL uses the space again after its next vacuum.\n"
	if job.Args.DryRun {
		what = "A purge would delete %s from before %s, about %s with their indexes. Nothing was changed.\n"
	}
	_, err := fmt.Fprintf(stdout, what, count(progress.LogsPurged, "log"), progress.PurgedBefore.Format(time.RFC3339), bytes)
	if err != nil || progress.RowsDrifted == 0 {
		return err
	}
	_, err = fmt.Fprintf(stdout, "Drift in %s of the rollups. Their learners are left as they are. To repair it, before another purge: %s\nThe worst first:\n\n",
		count(progress.RowsDrifted, "row"), repair)
	if err != nil {
		return err
	}
	return listDrift(stdout, progress)
}
