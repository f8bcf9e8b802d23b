package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// memory is the memory that processes use, in bytes.
type memory struct {
	service int64
	// database is the private memory of PostgreSQL's backend processes, without the
	// buffers that they share.
	database int64
}

func (m memory) orMore(other memory) memory {
	return memory{service: max(m.service, other.service), database: max(m.database, other.database)}
}

// watchMemory measures the memory of a service and of its database until the
// returned function is called. That function returns the maximum of each.
func (s *scratch) watchMemory(of *service) func() (memory, error) {
	type found struct {
		memory
		err error
	}
	stop, result := make(chan struct{}), make(chan found, 1)
	go func() {
		const every = 50 * time.Millisecond
		var most found
		for {
			now, err := s.memory(of)
			most.memory = most.orMore(now)
			if err != nil {
				most.err = err
			}
			select {
			case <-stop:
				result <- most
				return
			case <-time.After(every):
			}
		}
	}()
	return func() (memory, error) {
		close(stop)
		most := <-result
		return most.memory, most.err
	}
}

func (s *scratch) memory(of *service) (used memory, err error) {
	if used.service, err = of.residentBytes(); err != nil {
		return memory{}, err
	}
	children, err := s.children()
	if err != nil {
		return memory{}, err
	}
	own := regexp.MustCompile(`RssAnon:\s+(\d+) kB`)
	for _, child := range children {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err != nil || !strings.Contains(string(name), "[local]") {
			continue // it has ended, or isn't a backend
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child))
		if err != nil {
			continue
		}
		if match := own.FindSubmatch(status); match != nil {
			kilobytes, err := strconv.ParseInt(string(match[1]), 10, 64)
			if err != nil {
				return memory{}, err
			}
			const kilobyte = 1 << 10
			used.database += kilobytes * kilobyte
		}
	}
	return used, nil
}
