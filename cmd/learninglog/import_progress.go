package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"learninglog/internal/importer"
)

// showProgress shows on standard error how far an import is, until stop is called:
// a bar on a terminal, a line every few seconds elsewhere. size is that of the
// input in bytes, or -1.
func (c *importCommand) showProgress(imports *importer.Importer, size int64) (stop func()) {
	if c.Quiet {
		return func() {}
	}
	every, show := showEvery, showLine(os.Stderr, size)
	clearBar := func() {}
	if isTerminal(os.Stderr) {
		const smoothly = 100 * time.Millisecond
		bar := newBar(os.Stderr, size,
			progressbar.OptionShowBytes(true),
			progressbar.OptionShowElapsedTimeOnFinish(),
			progressbar.OptionSetPredictTime(size >= 0))
		every, show, clearBar = smoothly, showBar(bar), func() { _ = bar.Clear() }
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer clearBar()
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		pace := pace{since: time.Now()}
		for {
			select {
			case <-done:
				return
			case now := <-ticks.C:
				progress := imports.Progress()
				show(progress, pace.at(now, progress.Logs()))
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// pace is how many logs are done a second, lately.
type pace struct {
	since time.Time
	logs  int64
	last  float64
}

func (p *pace) at(now time.Time, logs int64) float64 {
	const lately = 2 * time.Second
	if took := now.Sub(p.since); took >= lately {
		p.last = float64(logs-p.logs) / took.Seconds()
		p.since, p.logs = now, logs
	}
	return p.last
}

func showBar(bar *progressbar.ProgressBar) func(importer.Progress, float64) {
	return func(progress importer.Progress, aSecond float64) {
		bar.Describe(describe(progress, aSecond))
		_ = bar.Set64(progress.Bytes)
	}
}

func showLine(stderr io.Writer, size int64) func(importer.Progress, float64) {
	begun := time.Now()
	return func(progress importer.Progress, aSecond float64) {
		line := describe(progress, aSecond)
		if size > 0 && progress.Bytes > 0 {
			const percent = 100
			part := float64(progress.Bytes) / float64(size)
			left := time.Duration(float64(time.Since(begun)) * (1 - part) / part)
			line += fmt.Sprintf(", %.0f %%, %s left", percent*part, left.Round(time.Second))
		}
		_, _ = fmt.Fprintln(stderr, line)
	}
}

func describe(progress importer.Progress, aSecond float64) string {
	line := fmt.Sprintf("%s, %.0f/s", count(progress.Logs(), "log"), aSecond)
	if progress.Rejected() > 0 {
		line += fmt.Sprintf(", %d rejected", progress.Rejected())
	}
	if progress.Trouble != nil {
		line += fmt.Sprintf(", trying again: %v", progress.Trouble)
	}
	return line
}
