package api

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"learninglog/command"
	"learninglog/internal/lines"
)

// maxChunk is the most logs of a stream that are recorded together. A chunk is as
// large as what arrived while the one before was being recorded; nobody waits for
// it to fill.
const maxChunk = 1000

// intake reads and decodes the next chunk of a stream while the one before is
// being recorded.
type intake struct {
	lines *lines.Reader
	read  func(index int, text []byte) batchEntry
	// done is closed when nothing reads the body any more.
	done chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	next    []batchEntry
	waiting bool  // for the client, with all that has arrived in next
	stopped bool  // nobody wants more
	end     error // why there is no more: io.EOF at the end of the body
}

// newIntake begins to read body. read decodes the text of a line.
func newIntake(body io.Reader, read func(index int, text []byte) batchEntry) *intake {
	i := &intake{lines: lines.NewReader(body, maxLogBytes), read: read, done: make(chan struct{})}
	i.changed = sync.NewCond(&i.mu)
	go i.run()
	return i
}

func (i *intake) run() {
	defer close(i.done)
	var end error
	defer func() {
		if cause := recover(); cause != nil {
			end = fmt.Errorf("%w: %v\n%s", errPanicked, cause, debug.Stack())
		}
		i.finish(end)
	}()
	end = i.readAll()
}

// errPanicked is the error of a mistake of the program, which is to be answered
// and logged like any other instead of ending the process.
var errPanicked = errors.New("reading a stream panicked")

func (i *intake) readAll() error {
	for index := 0; ; {
		if !i.lines.AtHand() {
			i.wait()
		}
		text, err := i.lines.Next()
		var entry batchEntry
		switch {
		case errors.Is(err, lines.ErrTooLong):
			entry = tooLong(index)
		case err != nil:
			return err
		case len(text) == 0:
			continue
		default:
			entry = i.read(index, text)
		}
		index++
		if !i.put(entry) {
			return command.ErrStopped
		}
	}
}

// wait lets what has arrived be taken: the client may take its time for more.
func (i *intake) wait() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = true
	i.changed.Broadcast()
}

// put adds an entry once there is room for it, or returns false if nobody wants
// it.
func (i *intake) put(entry batchEntry) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.waiting = false
	for len(i.next) == maxChunk && !i.stopped {
		i.changed.Wait()
	}
	if i.stopped {
		return false
	}
	i.next = append(i.next, entry)
	if len(i.next) == maxChunk {
		i.changed.Broadcast()
	}
	return true
}

func (i *intake) finish(end error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.end = end
	i.changed.Broadcast()
}

// take returns the next chunk as soon as it is full or nothing more is at hand.
// It has at least one entry. The error is why there is no more: [io.EOF],
// [command.ErrStopped], or that of reading.
func (i *intake) take() ([]batchEntry, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for !i.worthTaking() {
		i.changed.Wait()
	}
	switch {
	case i.stopped && !errors.Is(i.end, io.EOF):
		return nil, command.ErrStopped
	case len(i.next) == 0:
		return nil, i.end
	}
	chunk := i.next
	i.next = nil
	i.changed.Broadcast()
	return chunk, nil
}

func (i *intake) worthTaking() bool {
	return i.end != nil || i.stopped || len(i.next) == maxChunk || i.waiting && len(i.next) > 0
}

// stop makes the intake read no more than what it is reading. A body that has
// arrived whole is taken all the same.
func (i *intake) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	i.changed.Broadcast()
}

// complete says whether the whole body was read.
func (i *intake) complete() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return errors.Is(i.end, io.EOF)
}
