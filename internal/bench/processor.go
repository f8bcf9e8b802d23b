package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
)

// processorTime is how long the processors worked. It is known on Linux only, to a
// hundredth of a second, and 0 elsewhere.
type processorTime struct {
	service, database time.Duration
}

// each divides what was spent since an earlier time by what was done with it.
func (p processorTime) each(since processorTime, done int) processorTime {
	n := time.Duration(max(done, 1))
	return processorTime{service: (p.service - since.service) / n, database: (p.database - since.database) / n}
}

// processorTime returns what a service and all processes of PostgreSQL have spent. There
// need not be a service.
func (s *scratch) processorTime(of *service) (spent processorTime, err error) {
	if runtime.GOOS != "linux" {
		return processorTime{}, nil
	}
	if of != nil {
		if spent.service, _, err = processorTimeOf(of.command.Process.Pid); err != nil {
			return processorTime{}, err
		}
	}
	own, ofEnded, err := processorTimeOf(s.server.PID())
	if err != nil {
		return processorTime{}, err
	}
	spent.database = own + ofEnded
	children, err := s.children()
	if err != nil {
		return processorTime{}, err
	}
	for _, child := range children {
		own, _, err := processorTimeOf(child)
		if err != nil {
			continue // it has ended
		}
		spent.database += own
	}
	return spent, nil
}

// processorTimeOf returns what a process has spent, and what those of its children that
// have ended had.
func processorTimeOf(pid int) (own, ofEnded time.Duration, err error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return 0, 0, err
	}
	stat, err := process.Stat()
	if err != nil {
		return 0, 0, err
	}
	const tick = 10 * time.Millisecond                                                                     // of Linux, for all programs
	return time.Duration(stat.UTime+stat.STime) * tick, time.Duration(stat.CUTime+stat.CSTime) * tick, nil //nolint:gosec // far from overflowing
}

// children returns the processes that PostgreSQL has started and that haven't ended.
func (s *scratch) children() (pids []int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", s.server.PID()))
	if err != nil {
		return nil, err
	}
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
