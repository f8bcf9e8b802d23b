package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"learninglog/internal/audit"
	"learninglog/rollup/rebuild"
)

type rebuildListCommand struct {
	databaseFlags

	Limit int `default:"20" help:"The most rebuilds to list."`
}

// Validate is called by kong.
func (c *rebuildListCommand) Validate() error {
	const most = 1000
	if c.Limit < 1 || c.Limit > most {
		return fmt.Errorf("--limit must be from 1 to %d", most)
	}
	return c.databaseFlags.Validate()
}

// Run prints a table of rebuilds, the newest first.
func (c *rebuildListCommand) Run(ctx context.Context, stdout io.Writer) error {
	return c.withJobs(ctx, func(jobs audit.Jobs, _ bool) error {
		rebuilds, err := jobs.List(ctx, c.Limit)
		if err != nil {
			return err
		}
		if len(rebuilds) == 0 {
			_, err := fmt.Fprintln(stdout, "There are no rebuilds. Those that have ended are kept for a day.")
			return err
		}
		table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		_, err = fmt.Fprintln(table, "id\twhat\tstate\trequested\tlogs\tdrifted\trepaired\tscope")
		for _, job := range rebuilds {
			_, failed := fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n",
				job.ID, whatItDoes(job.Args), stateOf(job), job.RequestedAt.Format(time.RFC3339),
				job.Progress.LogsDone, job.Progress.RowsDrifted, job.Progress.RowsRepaired,
				describeScope(job))
			err = errors.Join(err, failed)
		}
		return errors.Join(err, table.Flush())
	})
}

func whatItDoes(args rebuild.Args) string {
	switch {
	case args.IsRezone():
		return "re-zone"
	case args.Erase:
		return "erasure"
	case args.IsPurge() && args.DryRun:
		return "dry run of purge"
	case args.IsPurge():
		return "purge"
	case args.DryRun:
		return "verify"
	default:
		return "rebuild"
	}
}

// stateOf returns the state and, if it is known, what will happen next.
func stateOf(job rebuild.Job) string {
	if job.IsBeingCancelled() {
		return "being cancelled"
	}
	return string(job.State)
}

func describeScope(job rebuild.Job) string {
	args, scope := job.Args, job.Args.Scope
	switch {
	case args.Routine:
		return "routine"
	case args.Erase:
		return "whoever is to be erased"
	case args.IsPurge():
		return fmt.Sprintf("older than %d days", args.PurgeOlderThanDays)
	case job.Users == 0 && scope.IsEverything() && !args.IsRezone():
		return "everything"
	}
	var parts []string
	if args.IsRezone() {
		parts = append(parts, "to "+args.TimeZone)
	}
	if job.Users > 0 {
		parts = append(parts, count(int64(job.Users), "user"))
	}
	if scope.RecordedSince != nil {
		parts = append(parts, "recorded since "+scope.RecordedSince.Format(time.RFC3339))
	}
	if scope.From != nil {
		parts = append(parts, "from "+scope.From.String())
	}
	if scope.To != nil {
		parts = append(parts, "to "+scope.To.String())
	}
	return strings.Join(parts, ", ")
}
