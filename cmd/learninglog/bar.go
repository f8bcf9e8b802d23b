package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// showEvery is how often progress is printed where there is no terminal to draw a
// bar on.
const showEvery = 2 * time.Second

func isTerminal(file *os.File) bool { return term.IsTerminal(int(file.Fd())) }

// newBar returns a bar that is as wide as the terminal, with more options. The size
// is what there is to do, or -1.
func newBar(terminal *os.File, size int64, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(size, append([]progressbar.Option{
		progressbar.OptionSetWriter(terminal),
		progressbar.OptionSetSpinnerChangeInterval(0), // or it would draw by itself, also when it is cleared
		progressbar.OptionFullWidth(),
		progressbar.OptionSetRenderBlankState(true),
	}, options...)...)
}
