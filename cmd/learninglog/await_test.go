package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// eventually is how long a test waits for something that takes a moment on a
	// fast machine.
	eventually = time.Minute
	// often is the interval between checks.
	often = 20 * time.Millisecond
)

// await waits until look reports that it is done. There is no total limit, because a
// machine may be slow. The test fails if the progress that look returns hasn't
// changed for [eventually].
func await(t testing.TB, what string, look func() (progress int, done bool)) {
	t.Helper()
	last, moved := -1, time.Now()
	for {
		progress, done := look()
		if done {
			return
		}
		if progress != last {
			last, moved = progress, time.Now()
		}
		if time.Since(moved) > eventually {
			require.FailNow(t, what, "nothing has moved for %s: the progress is %d", eventually, last)
		}
		time.Sleep(often)
	}
}
