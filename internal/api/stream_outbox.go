package api

import (
	"net/http"
	"slices"
	"sync"
)

const (
	// maxUnread is about how many bytes of outcomes are kept for a client that
	// doesn't read them yet: those of one chunk may come on top. Most clients read only once they have sent everything: this,
	// with what the network holds, is room for the outcomes of 10,000 logs, even
	// if all are recorded already.
	maxUnread = 4 << 20
	// maxWrite is the most that is written at once, to see that a slow client
	// makes progress.
	maxWrite = 64 << 10
)

// outbox sends outcomes while the next chunk is recorded, so that a client that
// reads late doesn't hold up its own logs.
type outbox struct {
	writer   http.ResponseWriter
	patience *patience
	done     chan struct{} // closed when everything is sent, or nobody reads it

	mu      sync.Mutex
	changed *sync.Cond
	unread  [][]byte // what was taken to be sent, the oldest first
	size    int      // of it, and of what is being sent
	closed  bool
	failed  bool
}

func newOutbox(writer http.ResponseWriter, patience *patience) *outbox {
	o := &outbox{writer: writer, patience: patience, done: make(chan struct{})}
	o.changed = sync.NewCond(&o.mu)
	go o.run()
	return o
}

// send takes text to be sent, once there is room for it, and keeps it. It returns
// false if the client doesn't read.
func (o *outbox) send(text []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size > maxUnread && !o.failed {
		o.changed.Wait()
	}
	o.unread = append(o.unread, text)
	o.size += len(text)
	o.changed.Broadcast()
	return !o.failed
}

// close returns when everything is sent, or the client doesn't read.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.changed.Broadcast()
	o.mu.Unlock()
	<-o.done
}

func (o *outbox) run() {
	defer close(o.done)
	control := http.NewResponseController(o.writer)
	for text := o.next(); text != nil; text = o.next() {
		for piece := range slices.Chunk(text, maxWrite) {
			o.patience.beforeWrite()
			if _, err := o.writer.Write(piece); err != nil {
				o.fail()
				return
			}
		}
		_ = control.Flush() // the next write tells of an error
		o.sent(len(text))
	}
}

// next waits for what is to be sent. It is nil after the last.
func (o *outbox) next() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.unread) == 0 && !o.closed {
		o.changed.Wait()
	}
	if len(o.unread) == 0 {
		return nil
	}
	text := o.unread[0]
	o.unread[0] = nil
	o.unread = o.unread[1:]
	return text
}

// sent makes room for as many bytes.
func (o *outbox) sent(bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= bytes
	o.changed.Broadcast()
}

func (o *outbox) fail() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failed = true
	o.changed.Broadcast()
}
