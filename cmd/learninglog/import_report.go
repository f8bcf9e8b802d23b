package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"learninglog/internal/importer"
)

// reportImport prints the outcomes of an import, even an unfinished one.
func reportImport(stdout io.Writer, progress importer.Progress, finished bool, rejects string) error {
	if finished && progress.Logs() == 0 {
		_, err := fmt.Fprintln(stdout, "There was no log in it.")
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range []struct {
		outcome string
		logs    int64
	}{
		{"recorded", progress.Recorded},
		{"already recorded", progress.AlreadyRecorded},
		{"request id reused", progress.RequestIDReused},
		{"invalid", progress.Invalid},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%d\t\n", line.outcome, line.logs)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if !finished {
		_, err := fmt.Fprintln(stdout, "The rest was not imported, or was not answered. Importing all of it again is safe.")
		if err != nil {
			return err
		}
	}
	if progress.Rejected() == 0 {
		return nil
	}
	_, err := fmt.Fprintf(stdout, "Rejected: %s; which, and why: %s\n", count(progress.Rejected(), "log"), rejects)
	return err
}
