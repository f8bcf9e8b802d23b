package main_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// memoryWatch looks all the time how much memory services have.
type memoryWatch struct {
	most atomic.Int64
	end  chan struct{}
}

// watchMemory watches the services until the test ends. They may be replaced meanwhile.
func watchMemory(t testing.TB, services ...func() *service) *memoryWatch {
	t.Helper()
	const every = 50 * time.Millisecond
	w := &memoryWatch{end: make(chan struct{})}
	t.Cleanup(func() { close(w.end) })
	go func() {
		for ticks := time.NewTicker(every); ; {
			for _, s := range services {
				w.see(s().residentMemory("VmRSS"))
			}
			select {
			case <-ticks.C:
			case <-w.end:
				return
			}
		}
	}()
	return w
}

func (w *memoryWatch) see(bytes int64) {
	for most := w.most.Load(); bytes > most && !w.most.CompareAndSwap(most, bytes); most = w.most.Load() {
	}
}

// take returns the most memory that a service has had since this was last called.
func (w *memoryWatch) take() int64 { return w.most.Swap(0) }

// residentMemory returns a field of what Linux says of a process's memory, in bytes:
// VmRSS is what it has now, VmHWM the most it ever had. It is 0 if there is no such
// process.
func (s *service) residentMemory(field string) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	found := regexp.MustCompile(field + `:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return 0
	}
	kilobytes, _ := strconv.ParseInt(string(found[1]), 10, 64) // can't fail: these are digits
	return kilobytes << 10
}

func megabytes(bytes int64) string { return fmt.Sprintf("%d MB", bytes>>20) }
