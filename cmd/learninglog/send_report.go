package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"learninglog/internal/importer"
)

// outcomeLine is the line of an outcome in a report. It is there always, or only if there
// are logs with the outcome.
type outcomeLine struct {
	outcome importer.Outcome
	label   string
	always  bool
}

// report prints the outcomes of the logs that were sent, and where the rejects are. It
// returns why not all of them are done. err says why the command isn't finished.
func (w wording) report(ctx context.Context, stdout io.Writer, progress importer.Progress, err error, rejects string) error {
	if err := w.print(stdout, progress, err == nil, rejects); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped before the end: %s", w.again)
	case err != nil:
		return fmt.Errorf("not everything is %s: %w; %s", w.done, withKeyHint(err), w.again)
	case progress.Rejected() > 0:
		return errRejects
	}
	return nil
}

// withKeyHint adds to an error what to do about a key.
func withKeyHint(err error) error {
	switch {
	case errors.Is(err, importer.ErrKeyNeeded):
		return fmt.Errorf("%w Set %s to a key with the scope logs:write, or name a file that has one with --key-file: see learninglog key create --help", err, keyVariable)
	case errors.Is(err, importer.ErrScopeNeeded):
		return fmt.Errorf("%w Use a key with that scope: see learninglog key create --help", err)
	default:
		return err
	}
}

func (w wording) print(stdout io.Writer, progress importer.Progress, finished bool, rejects string) error {
	if finished && progress.Logs() == 0 && progress.Settings == 0 {
		_, err := fmt.Fprintln(stdout, "There was no log in it.")
		return err
	}
	if err := w.printOutcomes(stdout, progress); err != nil {
		return err
	}
	if !finished {
		_, err := fmt.Fprintf(stdout, "The rest was not %s, or was not answered.\n", w.done)
		if err != nil {
			return err
		}
	}
	if progress.Rejected() == 0 || rejects == "" {
		return nil
	}
	_, err := fmt.Fprintf(stdout, "Rejected: %s; which, and why: %s\n", count(progress.Rejected(), "log"), rejects)
	return err
}

func (w wording) printOutcomes(stdout io.Writer, progress importer.Progress) error {
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	others := progress.Logs()
	for _, line := range w.outcomes {
		logs := progress.Outcomes[line.outcome]
		others -= logs
		if logs > 0 || line.always {
			_, _ = fmt.Fprintf(table, "%s\t%d\t\n", line.label, logs)
		}
	}
	if others > 0 { // of a newer service
		_, _ = fmt.Fprintf(table, "other\t%d\t\n", others)
	}
	if progress.Settings > 0 {
		_, _ = fmt.Fprintf(table, "settings that are set\t%d\t\n", progress.Settings)
	}
	return table.Flush()
}
