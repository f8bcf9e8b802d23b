package api

import (
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// streamTimeout is how long a stream waits for a client that neither sends nor
	// reads. A client that makes progress may take any time.
	streamTimeout = 30 * time.Second
	// closingTimeout replaces streamTimeout when the stream is about to end.
	closingTimeout = time.Second
)

// deadlines limits the time of every log and every write of a stream. They replace
// the timeouts of a whole request, which a long stream would exceed.
type deadlines struct {
	control *http.ResponseController

	mu          sync.Mutex
	ending      bool          // reads have their last deadline
	read, write time.Duration // the time limits of a log and of a single write
}

func newDeadlines(control *http.ResponseController, each time.Duration) *deadlines {
	return &deadlines{control: control, read: each, write: each}
}

// beforeRead sets the time limit of a log, of which a read may bring only a part: it
// begins with the arrival of the last log.
func (d *deadlines) beforeRead(last time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ending {
		_ = d.control.SetReadDeadline(last.Add(d.read)) // fails only with a test's recorder
	}
}

func (d *deadlines) beforeWrite() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.control.SetWriteDeadline(time.Now().Add(d.write))
}

// stopReading makes reads end after closingTimeout.
func (d *deadlines) stopReading() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ending {
		d.ending = true
		_ = d.control.SetReadDeadline(time.Now().Add(closingTimeout))
	}
}

// hurry makes reads, and writes to a client that doesn't read, end after
// closingTimeout.
func (d *deadlines) hurry() {
	d.stopReading()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = closingTimeout
	_ = d.control.SetWriteDeadline(time.Now().Add(closingTimeout))
}

// deadlineReader is a body with a deadline for every log.
type deadlineReader struct {
	body      io.Reader
	deadlines *deadlines
	last      func() time.Time // when the last log arrived
}

func (r deadlineReader) Read(into []byte) (int, error) {
	r.deadlines.beforeRead(r.last())
	return r.body.Read(into)
}
