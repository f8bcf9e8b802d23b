package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// showEvery is how often progress is printed if there is no terminal for a bar.
const showEvery = 2 * time.Second

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// newBar returns a bar as wide as the terminal, with additional options. size is the
// total amount of work, or -1 if it is unknown.
func newBar(terminal *os.File, size int64, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(size, append([]progressbar.Option{
		progressbar.OptionSetWriter(terminal),
		progressbar.OptionSetSpinnerChangeInterval(0), // otherwise it redraws by itself, even after it was cleared
		progressbar.OptionFullWidth(),
		progressbar.OptionSetRenderBlankState(true),
	}, options...)...)
}
