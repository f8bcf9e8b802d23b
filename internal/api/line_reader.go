package api

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/internal/lines"
	"learninglog/internal/panics"
	"learninglog/internal/quota"
)

// maxBlock is the largest number of logs in a block. A block contains what arrived
// while the previous one was being recorded; nobody waits for a block to fill.
const maxBlock = 1000

// lineReader reads and decodes the next block of a stream while the previous one is
// being recorded.
type lineReader struct {
	lines *lines.Reader
	read  func(index int, text []byte) postedLog
	// pace limits how many logs are taken in, or is nil.
	pace *rate.Limiter
	// done is closed when the body is no longer being read.
	done chan struct{}
	// stopping is closed when no more logs are wanted.
	stopping chan struct{}

	mu      sync.Mutex
	changed *sync.Cond
	next    []postedLog
	arrived int       // logs since then:
	since   time.Time // when the stream was opened, or the client was kept waiting last
	last    time.Time // when the last log arrived, or could be taken in
	waiting bool      // for the client; next has everything that has arrived
	paced   bool      // the next log waits until the client may send it
	stopped error     // why no more logs are wanted, or nil
	end     error     // why there are no more logs: io.EOF at the end of the body
}

// newLineReader returns a reader of body. pace limits the logs, unless it is nil. read
// decodes the text of a line.
func newLineReader(pace *rate.Limiter, read func(index int, text []byte) postedLog) *lineReader {
	now := time.Now()
	r := &lineReader{pace: pace, read: read, since: now, last: now, done: make(chan struct{}), stopping: make(chan struct{})}
	r.changed = sync.NewCond(&r.mu)
	return r
}

// start begins to read.
func (r *lineReader) start(body io.Reader) {
	r.lines = lines.NewReader(body, maxLogBytes)
	go r.run()
}

func (r *lineReader) run() {
	defer close(r.done)
	var end error
	if err := panics.Caught(func() { end = r.readAll() }); err != nil {
		end = fmt.Errorf("%w: %w", errPanicked, err)
	}
	r.finish(end)
}

// errPanicked means that there is a bug in the program. It is answered and logged
// like any other error, and doesn't end the process.
var errPanicked = errors.New("reading a stream panicked")

func (r *lineReader) readAll() error {
	for index := 0; ; {
		if !r.lines.AtHand() {
			r.wait()
		}
		text, err := r.lines.Next()
		var log postedLog
		switch {
		case errors.Is(err, lines.ErrTooLong):
			log = tooLong(index)
		case err != nil:
			return err
		case len(text) == 0:
			continue
		default:
			log = r.read(index, text)
		}
		index++
		if !r.keepPace() || !r.put(log) {
			return command.ErrStopped
		}
	}
}

// wait lets the logs that have arrived be taken, because the client may take long to
// send more.
func (r *lineReader) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = true
	r.changed.Broadcast()
}

// keepPace waits until the client may send one more log. It returns false if no more logs
// are wanted.
func (r *lineReader) keepPace() bool {
	// With some logs at a time, they share a commit.
	const leastWait = 100 * time.Millisecond
	for {
		wait := quota.Take(r.pace, 1)
		if wait == 0 {
			return true
		}
		r.mu.Lock()
		r.paced, r.waiting = true, true
		r.changed.Broadcast()
		r.mu.Unlock()
		select {
		case <-time.After(max(wait, leastWait)):
		case <-r.stopping:
			return false
		}
	}
}

// put adds a log when there is room for it. It returns false if no more logs are
// wanted.
func (r *lineReader) put(log postedLog) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = false
	waited := r.full() || r.paced
	r.paced = false
	for r.full() && r.stopped == nil {
		r.changed.Wait()
	}
	if r.stopped != nil {
		return false
	}
	r.arrived++
	r.last = time.Now()
	if waited {
		r.arrived, r.since = 0, r.last
	}
	r.next = append(r.next, log)
	if r.full() {
		r.changed.Broadcast()
	}
	return true
}

// full must be called with r.mu held.
func (r *lineReader) full() bool { return len(r.next) == maxBlock }

// lastArrival returns when the last log arrived, or could be taken in.
func (r *lineReader) lastArrival() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *lineReader) finish(end error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end = end
	r.changed.Broadcast()
}

// take returns the next block as soon as it is full or no more has arrived. A block
// has at least one log. The error says why there are no more logs: [io.EOF],
// [command.ErrStopped], or the error of reading.
func (r *lineReader) take() ([]postedLog, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.worthTaking() {
		r.changed.Wait()
	}
	switch {
	case r.stopped != nil && !errors.Is(r.end, io.EOF):
		return nil, r.stopped
	case len(r.next) == 0:
		return nil, r.end
	}
	block := r.next
	r.next = nil
	r.changed.Broadcast()
	return block, nil
}

func (r *lineReader) worthTaking() bool {
	return r.end != nil || r.stopped != nil || r.full() || r.waiting && len(r.next) > 0
}

// stop makes the reader stop after its current read. If the whole body has arrived
// already, its logs can still be taken.
func (r *lineReader) stop(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped == nil {
		r.stopped = cause
		close(r.stopping)
	}
	r.changed.Broadcast()
}

// complete reports whether the whole body has been read.
func (r *lineReader) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Is(r.end, io.EOF)
}
