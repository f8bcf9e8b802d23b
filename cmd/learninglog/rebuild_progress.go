package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"learninglog/rollup/rebuild"
)

// showRebuild returns show, which shows the progress of a rebuild on standard error,
// and clearShown, which clears the bar. The progress is a bar on a terminal,
// otherwise a line every few seconds.
func showRebuild() (show func(rebuild.Job), clearShown func()) {
	if isTerminal(os.Stderr) {
		bar := new(rebuildBar)
		return bar.show, bar.clear
	}
	shown := time.Now()
	return func(job rebuild.Job) {
		if time.Since(shown) >= showEvery {
			shown = time.Now()
			_, _ = fmt.Fprintln(os.Stderr, describeRebuild(job)+describePart(job))
		}
	}, func() {}
}

// rebuildBar is a bar for a rebuild. The length is unknown until the rebuild has
// begun, or always, and may turn out to be too short.
type rebuildBar struct {
	bar  *progressbar.ProgressBar
	size int64
}

func (b *rebuildBar) show(job rebuild.Job) {
	progress, size := job.Progress, int64(-1)
	if progress.LogsExpected > 0 {
		size = max(progress.LogsExpected, progress.LogsDone)
	}
	if b.bar == nil || size != b.size {
		b.clear()
		b.bar, b.size = newBar(os.Stderr, size, progressbar.OptionSetPredictTime(false)), size
	}
	b.bar.Describe(describeRebuild(job))
	_ = b.bar.Set64(progress.LogsDone)
}

func (b *rebuildBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// describeRebuild describes the progress of a rebuild in one line.
func describeRebuild(job rebuild.Job) string {
	progress := job.Progress
	line := fmt.Sprintf("%s %d", whatItDoes(job.Args), job.ID)
	if state := stateOf(job); state != string(rebuild.Running) {
		line += " (" + state + ")"
	}
	line += fmt.Sprintf(": %s, %.0f/s", count(progress.LogsDone, "log"), progress.LogsPerSecond())
	if left, known := progress.Remaining(); known {
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	switch {
	case job.Args.IsRezone():
		line += fmt.Sprintf(", %d re-zoned", progress.LogsRezoned)
	case job.Args.Erase:
		line += ", " + count(progress.UsersDone, "user") + " erased"
	case job.Args.IsPurge() && progress.PurgedBefore == nil:
		line += ", waiting until every replica refuses what is to be purged"
	case job.Args.IsPurge() && job.Args.DryRun:
		line += fmt.Sprintf(", %d to purge", progress.LogsPurged)
	case job.Args.IsPurge():
		line += fmt.Sprintf(", %d purged", progress.LogsPurged)
	default:
		line += ", " + count(progress.RowsDrifted, "row") + " drifted"
	}
	if job.Error != "" && job.State != rebuild.Running {
		line += "; it was interrupted: " + job.Error
	}
	return line
}

// describePart describes the progress of a rebuild next to a bar.
func describePart(job rebuild.Job) string {
	progress := job.Progress
	if progress.LogsExpected == 0 {
		return ""
	}
	const percent = 100
	part := min(1, float64(progress.LogsDone)/float64(progress.LogsExpected))
	return fmt.Sprintf(", %.0f %%", percent*part)
}
