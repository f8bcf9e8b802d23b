package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize/english"

	"learninglog/rollup/rebuild"
)

// report prints what an ended rebuild found and did. It returns an error if the
// rebuild was cancelled or discarded. repair is the command line that would repair
// the drift that a dry run found.
func report(stdout io.Writer, job rebuild.Job, repair string) error {
	switch job.State {
	case rebuild.Completed:
	case rebuild.Cancelled:
		return fmt.Errorf("rebuild %d was cancelled, %s", job.ID, doneBefore(job))
	default:
		return fmt.Errorf("rebuild %d was given up, %s: %s", job.ID, doneBefore(job), job.Error)
	}
	progress := job.Progress
	switch {
	case job.Args.IsRezone():
		return reportRezone(stdout, progress)
	case job.Args.IsPurge():
		return reportPurge(stdout, job, repair)
	}
	if job.Args.Erase {
		_, err := fmt.Fprintf(stdout, "Erased %s with %s. Nothing is recorded of them any more.\n",
			count(progress.UsersDone, "user"), count(progress.LogsDone, "log"))
		return err
	}
	_, err := fmt.Fprintf(stdout, "Compared %s of %s with their rollups.\n",
		count(progress.LogsDone, "log"), count(progress.UsersDone, "user"))
	if err != nil {
		return err
	}
	if progress.RowsDrifted == 0 {
		_, err := fmt.Fprintln(stdout, "No drift: every total is right.")
		return err
	}
	verdict := ", which has been repaired."
	if job.Args.DryRun {
		verdict = ". To repair it: " + repair
	}
	_, err = fmt.Fprintf(stdout, "Drift in %s of the rollups%s\n", count(progress.RowsDrifted, "row"), verdict)
	if err != nil {
		return err
	}
	drifted := progress.Drifted
	_, err = fmt.Fprintf(stdout, "By granularity: %s, %s, %s. The worst first:\n\n",
		count(drifted.Day, "day"), count(drifted.Week, "week"), count(drifted.Month, "month"))
	if err != nil {
		return err
	}
	return listDrift(stdout, progress)
}

func reportRezone(stdout io.Writer, progress rebuild.Progress) error {
	_, err := fmt.Fprintf(stdout, "Went through %s of %s. Re-zoned: %d. The others had said their zone, or had the right offset already.\n",
		count(progress.LogsDone, "log"), count(progress.UsersDone, "user"), progress.LogsRezoned)
	if err == nil && progress.PurgedBefore != nil {
		_, err = fmt.Fprintf(stdout, "Logs from before %s were purged: their days stay as they are.\n", progress.PurgedBefore.Format(time.RFC3339))
	}
	return err
}

// doneBefore describes what an incomplete rebuild has done.
func doneBefore(job rebuild.Job) string {
	progress := job.Progress
	done := fmt.Sprintf("after %s of %s; ", count(progress.LogsDone, "log"), count(progress.UsersDone, "user"))
	if job.Args.IsRezone() {
		return done + count(progress.LogsRezoned, "log") + " re-zoned, which stay so"
	}
	if job.Args.Erase {
		return done + "what is deleted stays so, and another job goes on"
	}
	if job.Args.IsPurge() && !job.Args.DryRun {
		return done + count(progress.LogsPurged, "log") + " purged, which stay so"
	}
	if job.Args.DryRun {
		return done + count(progress.RowsDrifted, "row") + " had drifted"
	}
	return done + count(progress.RowsRepaired, "row") + " repaired, which stay so"
}

// count returns a number with its noun. Unlike english.Plural, it writes numbers
// without commas, because scripts may read them.
func count(n int64, noun string) string {
	return fmt.Sprintf("%d %s", n, english.PluralWord(int(n), noun, ""))
}

func listDrift(stdout io.Writer, progress rebuild.Progress) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "user\tgranularity\tperiod\twords in rollup\twords in logs\tentries in rollup\tentries in logs")
	for _, drift := range progress.Examples {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n",
			drift.UserID, drift.Granularity, drift.Period,
			drift.Was.TotalWordCount, drift.Is.TotalWordCount, drift.Was.EntryCount, drift.Is.EntryCount)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := progress.RowsDrifted - int64(len(progress.Examples)); more > 0 {
		_, err := fmt.Fprintf(stdout, "… and %d more\n", more)
		return err
	}
	return nil
}
