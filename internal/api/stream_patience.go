package api

import (
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// streamPatience is how long a stream waits for a client that sends nothing,
	// or reads nothing. One that makes progress may take for ever.
	streamPatience = 30 * time.Second
	// parting is how long it waits when it is about to end.
	parting = time.Second
)

// patience bounds every read and write of a stream. It takes the place of the
// bounds on a whole request, which a long stream would exceed.
type patience struct {
	control *http.ResponseController

	mu          sync.Mutex
	ending      bool          // reads have their last deadline
	read, write time.Duration // what each may take
}

func newPatience(control *http.ResponseController, each time.Duration) *patience {
	return &patience{control: control, read: each, write: each}
}

func (p *patience) beforeRead() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ending {
		_ = p.control.SetReadDeadline(time.Now().Add(p.read)) // a test's answer has none
	}
}

func (p *patience) beforeWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.control.SetWriteDeadline(time.Now().Add(p.write))
}

// stopReading ends what is being read, in a moment.
func (p *patience) stopReading() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ending {
		p.ending = true
		_ = p.control.SetReadDeadline(time.Now().Add(parting))
	}
}

// hurry ends what is being read, and what is written to a client that doesn't
// read, in a moment.
func (p *patience) hurry() {
	p.stopReading()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write = parting
	_ = p.control.SetWriteDeadline(time.Now().Add(parting))
}

// patientReader is a body each read of which is bounded.
type patientReader struct {
	body     io.Reader
	patience *patience
}

func (r patientReader) Read(into []byte) (int, error) {
	r.patience.beforeRead()
	return r.body.Read(into)
}
