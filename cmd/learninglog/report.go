package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/riverqueue/river/rivertype"

	"learninglog/query"
	"learninglog/rollup"
)

// report prints what a rebuild that has ended found and did. One that was
// cancelled or given up is an error.
func report(stdout io.Writer, rebuild query.Rebuild) error {
	if rebuild.State != rivertype.JobStateCompleted {
		return fmt.Errorf("rebuild %d was %s: %s", rebuild.ID, rebuild.State, rebuild.Error)
	}
	progress := rebuild.Progress
	_, err := fmt.Fprintf(stdout, "Compared %s of %s with their rollups.\n",
		count(progress.LogsDone, "log"), count(progress.UsersDone, "user"))
	if err != nil {
		return err
	}
	if progress.RowsDrifted == 0 {
		_, err := fmt.Fprintln(stdout, "No drift: every total is right.")
		return err
	}
	verdict := "Drift in %s of the rollups, which has been repaired.\n\n"
	if rebuild.Args.DryRun {
		verdict = "Drift in %s of the rollups. To repair it: learninglog rebuild --wait\n\n"
	}
	if _, err := fmt.Fprintf(stdout, verdict, count(progress.RowsDrifted, "row")); err != nil {
		return err
	}
	return listDrift(stdout, progress)
}

// count returns a number and its noun.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func listDrift(stdout io.Writer, progress rollup.RebuildProgress) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "user\tgranularity\tperiod\twords in rollup\twords in logs\tentries in rollup\tentries in logs")
	for _, drift := range progress.Examples {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n",
			drift.UserID, drift.Granularity, drift.Period.In(zone()).Format(time.DateOnly),
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
