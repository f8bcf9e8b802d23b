package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"learninglog/rollup/rebuild"
)

// showRebuild returns what shows on standard error how far a rebuild is, whenever
// it is called: as a bar on a terminal, as a line every few seconds elsewhere; and
// what clears the bar.
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

// rebuildBar is a bar whose length is known only once the rebuild has begun, if
// ever, and may turn out to be too short.
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

// describeRebuild says in a line how far a rebuild is.
func describeRebuild(job rebuild.Job) string {
	progress := job.Progress
	line := fmt.Sprintf("%s %d", whatItDoes(job), job.ID)
	if state := stateOf(job); state != string(rebuild.Running) {
		line += " (" + state + ")"
	}
	line += fmt.Sprintf(": %s, %.0f/s", count(progress.LogsDone, "log"), progress.LogsPerSecond())
	if left, known := progress.Remaining(); known {
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	line += ", " + count(progress.RowsDrifted, "row") + " drifted"
	if job.Error != "" && job.State != rebuild.Running {
		line += "; it was interrupted: " + job.Error
	}
	return line
}

// describePart says what a bar shows of how far a rebuild is, where that is known.
func describePart(job rebuild.Job) string {
	progress := job.Progress
	if progress.LogsExpected == 0 {
		return ""
	}
	const percent = 100
	part := min(1, float64(progress.LogsDone)/float64(progress.LogsExpected))
	return fmt.Sprintf(", %.0f %%", percent*part)
}
