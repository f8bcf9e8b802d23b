package api

import (
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// streamTimeout is how long a stream waits for a client that sends nothing, or
	// reads nothing. One that makes progress may take for ever.
	streamTimeout = 30 * time.Second
	// closingTimeout is how long it waits when it is about to end.
	closingTimeout = time.Second
)

// deadlines bounds every read and write of a stream. It takes the place of the
// bounds on a whole request, which a long stream would exceed.
type deadlines struct {
	control *http.ResponseController

	mu          sync.Mutex
	ending      bool          // reads have their last deadline
	read, write time.Duration // what each may take
}

func newDeadlines(control *http.ResponseController, each time.Duration) *deadlines {
	return &deadlines{control: control, read: each, write: each}
}

func (d *deadlines) beforeRead() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ending {
		_ = d.control.SetReadDeadline(time.Now().Add(d.read)) // a test's answer has none
	}
}

func (d *deadlines) beforeWrite() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.control.SetWriteDeadline(time.Now().Add(d.write))
}

// stopReading ends what is being read, in a moment.
func (d *deadlines) stopReading() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ending {
		d.ending = true
		_ = d.control.SetReadDeadline(time.Now().Add(closingTimeout))
	}
}

// hurry ends what is being read, and what is written to a client that doesn't
// read, in a moment.
func (d *deadlines) hurry() {
	d.stopReading()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = closingTimeout
	_ = d.control.SetWriteDeadline(time.Now().Add(closingTimeout))
}

// deadlineReader is a body each read of which is bounded.
type deadlineReader struct {
	body      io.Reader
	deadlines *deadlines
}

func (r deadlineReader) Read(into []byte) (int, error) {
	r.deadlines.beforeRead()
	return r.body.Read(into)
}
