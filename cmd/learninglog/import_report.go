package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"learninglog/internal/importer"
)

// reportImport prints what became of the logs of an import.
func reportImport(stdout io.Writer, progress importer.Progress, rejects string) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, line := range []struct {
		outcome string
		logs    int64
	}{
		{"recorded", progress.Recorded},
		{"already recorded", progress.AlreadyRecorded},
		{"request id reused", progress.RequestIDReused},
		{"invalid", progress.Invalid},
		{"failed", progress.Failed},
	} {
		_, _ = fmt.Fprintf(table, "%s\t%d\t\n", line.outcome, line.logs)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if progress.Rejected() == 0 {
		return nil
	}
	_, err := fmt.Fprintf(stdout, "Rejected: %s; which, and why: %s\n", count(progress.Rejected(), "log"), rejects)
	return err
}
