package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"

	"learninglog/internal/importer"
)

// showProgress shows the progress of a sender on standard error until stop is called:
// a bar on a terminal, otherwise a line every few seconds. size is the size of the input
// in bytes, or -1 if it is unknown.
func (f *sendFlags) showProgress(sender *importer.Sender, size int64) (stop func()) {
	if f.Quiet {
		return func() {}
	}
	every, show := showEvery, showLine(os.Stderr, size)
	clearBar := func() {}
	if isTerminal(os.Stderr) {
		const smoothly = 100 * time.Millisecond
		bar := newBar(os.Stderr, size,
			progressbar.OptionShowElapsedTimeOnFinish(),
			progressbar.OptionSetPredictTime(false)) // the prediction would continue while the service is unavailable
		every, show, clearBar = smoothly, showBar(bar), func() { _ = bar.Clear() }
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer clearBar()
		ticks := time.NewTicker(every)
		defer ticks.Stop()
		pace := pace{begun: time.Now(), since: time.Now()}
		for {
			select {
			case <-done:
				return
			case now := <-ticks.C:
				progress := sender.Progress()
				show(progress, pace.at(now, progress, size))
			}
		}
	}()
	return func() { close(done); <-stopped }
}

// pace measures how many logs were done per second lately, and how long the rest
// will take.
type pace struct {
	begun, since time.Time
	logs         int64
	last         float64
	known        bool
}

// at returns both as a part of a line. It is empty if they are unknown: at the
// beginning, and while the service is unavailable.
func (p *pace) at(now time.Time, progress importer.Progress, size int64) string {
	const lately = 1900 * time.Millisecond // a little less than a tick may be late
	logs := progress.Logs()
	switch took := now.Sub(p.since); {
	case progress.Trouble != nil:
		p.since, p.logs, p.known = now, logs, false
	case took >= lately:
		p.last, p.known = float64(logs-p.logs)/took.Seconds(), true
		p.since, p.logs = now, logs
	}
	if !p.known {
		return ""
	}
	line := fmt.Sprintf(", %.0f/s", p.last)
	if size > 0 && progress.Bytes > 0 {
		part := float64(progress.Bytes) / float64(size)
		left := time.Duration(float64(now.Sub(p.begun)) * (1 - part) / part)
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return line
}

func showBar(bar *progressbar.ProgressBar) func(importer.Progress, string) {
	return func(progress importer.Progress, pace string) {
		bar.Describe(describe(progress, pace))
		_ = bar.Set64(progress.Bytes)
	}
}

func showLine(stderr io.Writer, size int64) func(importer.Progress, string) {
	return func(progress importer.Progress, pace string) {
		line := describe(progress, pace)
		if size > 0 && progress.Bytes > 0 {
			const percent = 100
			line += fmt.Sprintf(", %.0f %%", percent*float64(progress.Bytes)/float64(size))
		}
		_, _ = fmt.Fprintln(stderr, line)
	}
}

func describe(progress importer.Progress, pace string) string {
	line := count(progress.Logs(), "log") + pace
	if progress.Rejected() > 0 {
		line += fmt.Sprintf(", %d rejected", progress.Rejected())
	}
	if progress.Trouble != nil {
		line += fmt.Sprintf(", trying again: %v", progress.Trouble)
	}
	return line
}
