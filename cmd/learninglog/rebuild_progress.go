package main

import (
	"fmt"
	"os"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/schollz/progressbar/v3"

	"learninglog/query"
)

// showRebuild returns what shows on standard error how far a rebuild is, whenever
// it is called: as a bar on a terminal, as a line every few seconds elsewhere; and
// what clears the bar.
func showRebuild() (show func(query.Rebuild), clearShown func()) {
	if isTerminal(os.Stderr) {
		bar := new(rebuildBar)
		return bar.show, bar.clear
	}
	shown := time.Now()
	return func(rebuild query.Rebuild) {
		if time.Since(shown) >= showEvery {
			shown = time.Now()
			_, _ = fmt.Fprintln(os.Stderr, describeRebuild(rebuild)+describePart(rebuild))
		}
	}, func() {}
}

// rebuildBar is a bar whose length is known only once the rebuild has begun, if
// ever, and may turn out to be too short.
type rebuildBar struct {
	bar  *progressbar.ProgressBar
	size int64
}

func (b *rebuildBar) show(rebuild query.Rebuild) {
	progress, size := rebuild.Progress, int64(-1)
	if progress.LogsExpected > 0 {
		size = max(progress.LogsExpected, progress.LogsDone)
	}
	if b.bar == nil || size != b.size {
		b.clear()
		b.bar, b.size = newBar(os.Stderr, size, progressbar.OptionSetPredictTime(false)), size
	}
	b.bar.Describe(describeRebuild(rebuild))
	_ = b.bar.Set64(progress.LogsDone)
}

func (b *rebuildBar) clear() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// describeRebuild says in a line how far a rebuild is.
func describeRebuild(rebuild query.Rebuild) string {
	progress := rebuild.Progress
	line := fmt.Sprintf("%s %d", whatItDoes(rebuild), rebuild.ID)
	if state := stateOf(rebuild); state != string(rivertype.JobStateRunning) {
		line += " (" + state + ")"
	}
	line += fmt.Sprintf(": %s, %.0f/s", count(progress.LogsDone, "log"), progress.LogsPerSecond())
	if left, known := progress.Remaining(); known {
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	line += ", " + count(progress.RowsDrifted, "row") + " drifted"
	if rebuild.Error != "" && rebuild.State != rivertype.JobStateRunning {
		line += "; it was interrupted: " + rebuild.Error
	}
	return line
}

// describePart says what a bar shows of how far a rebuild is, where that is known.
func describePart(rebuild query.Rebuild) string {
	progress := rebuild.Progress
	if progress.LogsExpected == 0 {
		return ""
	}
	const percent = 100
	part := min(1, float64(progress.LogsDone)/float64(progress.LogsExpected))
	return fmt.Sprintf(", %.0f %%", percent*part)
}
