package main_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// lockedBuffer is a buffer to which a process writes while a test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(text)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// contains is for assertions about texts that are too long to be printed on failure.
func (b *lockedBuffer) contains(text string) bool { return strings.Contains(b.String(), text) }

// matches is like contains, for a regular expression.
func (b *lockedBuffer) matches(expression string) bool {
	return regexp.MustCompile(expression).MatchString(b.String())
}

// mostLines is the number of lines of a log that are printed on failure.
const mostLines = 50

// tail returns the last lines, without the lines for single requests.
func (b *lockedBuffer) tail() string {
	var lines []string
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, "level=DEBUG") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-mostLines):], "")
}

// keep writes the whole content to a file, and returns its name.
func (b *lockedBuffer) keep() (name string, err error) {
	file, err := os.CreateTemp("", "learninglog-test-*.log")
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	_, err = file.WriteString(b.String())
	return file.Name(), err
}

// assertNever fails the test if a process has written one of the texts, and prints
// the output from there on.
func assertNever(t testing.TB, written string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, after, found := strings.Cut(written, text); found {
			lines := strings.SplitAfterN(after, "\n", mostLines+1)
			assert.Fail(t, "the program wrote: "+text, "%s", strings.Join(lines[:min(len(lines), mostLines)], ""))
		}
	}
}
