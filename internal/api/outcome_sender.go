package api

import (
	"net/http"
	"slices"
	"sync"
)

const (
	// maxUnread is about how many bytes of outcomes are kept for a client that
	// doesn't read them yet: those of one block may come on top. Most clients read only once they have sent everything: this,
	// with what the network holds, is room for the outcomes of 10,000 logs, even
	// if all are recorded already.
	maxUnread = 4 << 20
	// maxWrite is the most that is written at once, to see that a slow client
	// makes progress.
	maxWrite = 64 << 10
)

// outcomeSender sends outcomes while the next block is recorded, so that a client that
// reads late doesn't hold up its own logs.
type outcomeSender struct {
	writer    http.ResponseWriter
	deadlines *deadlines
	done      chan struct{} // closed when everything is sent, or nobody reads it

	mu      sync.Mutex
	changed *sync.Cond
	unread  [][]byte // what was taken to be sent, the oldest first
	size    int      // of it, and of what is being sent
	closed  bool
	failed  bool
}

func newOutcomeSender(writer http.ResponseWriter, deadlines *deadlines) *outcomeSender {
	s := &outcomeSender{writer: writer, deadlines: deadlines, done: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// send takes text to be sent, once there is room for it, and keeps it. It returns
// false if the client doesn't read.
func (s *outcomeSender) send(text []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.size > maxUnread && !s.failed {
		s.changed.Wait()
	}
	s.unread = append(s.unread, text)
	s.size += len(text)
	s.changed.Broadcast()
	return !s.failed
}

// close returns when everything is sent, or the client doesn't read.
func (s *outcomeSender) close() {
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	<-s.done
}

func (s *outcomeSender) run() {
	defer close(s.done)
	control := http.NewResponseController(s.writer)
	for text := s.next(); text != nil; text = s.next() {
		for piece := range slices.Chunk(text, maxWrite) {
			s.deadlines.beforeWrite()
			if _, err := s.writer.Write(piece); err != nil {
				s.fail()
				return
			}
		}
		_ = control.Flush() // the next write tells of an error
		s.sent(len(text))
	}
}

// next waits for what is to be sent. It is nil after the last.
func (s *outcomeSender) next() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.unread) == 0 && !s.closed {
		s.changed.Wait()
	}
	if len(s.unread) == 0 {
		return nil
	}
	text := s.unread[0]
	s.unread[0] = nil
	s.unread = s.unread[1:]
	return text
}

// sent makes room for as many bytes.
func (s *outcomeSender) sent(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size -= bytes
	s.changed.Broadcast()
}

func (s *outcomeSender) fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	s.changed.Broadcast()
}
