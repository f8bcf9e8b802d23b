package api

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"learninglog/internal/panics"
)

const (
	// maxUnread is about how many bytes of outcomes are buffered for a client that
	// doesn't read yet; those of one more block may be added. Most clients read only
	// after they have sent everything. The buffer, together with the network's, has
	// room for the outcomes of 10,000 logs, even if all of them are already
	// recorded.
	maxUnread = 4 << 20
	// maxWrite limits the size of a single write, so that progress of a slow client
	// is noticed.
	maxWrite = 64 << 10
)

// outcomeSender sends outcomes while the next block is being recorded, so that a
// client that reads late doesn't delay its own logs.
type outcomeSender struct {
	writer    http.ResponseWriter
	deadlines *deadlines
	all       *atomic.Int64 // bytes that are buffered for all streams
	done      chan struct{} // closed when everything is sent, or the client doesn't read
	panicked  error         // may be read when done is closed

	mu      sync.Mutex
	changed *sync.Cond
	unread  [][]byte // texts to be sent, the oldest first
	size    int      // bytes in unread and in the current write
	closed  bool
	failed  bool
}

func newOutcomeSender(writer http.ResponseWriter, deadlines *deadlines, all *atomic.Int64) *outcomeSender {
	s := &outcomeSender{writer: writer, deadlines: deadlines, all: all, done: make(chan struct{})}
	s.changed = sync.NewCond(&s.mu)
	go s.run()
	return s
}

// send queues text, which it keeps, when there is room. It returns false if the
// client doesn't read.
func (s *outcomeSender) send(text []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.isFull() && !s.failed {
		s.changed.Wait()
	}
	if s.failed {
		return false
	}
	s.unread = append(s.unread, text)
	s.count(len(text))
	s.changed.Broadcast()
	return true
}

func (s *outcomeSender) isFull() bool {
	return s.size > maxUnread || s.size > 0 && s.all.Load() > maxUnreadOfAll
}

func (s *outcomeSender) count(bytes int) {
	s.size += bytes
	s.all.Add(int64(bytes))
}

// close returns when everything has been sent, or when the client doesn't read. The error
// is that of a bug in the program.
func (s *outcomeSender) close() error {
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	<-s.done
	return s.panicked
}

func (s *outcomeSender) run() {
	defer close(s.done)
	s.panicked = panics.Caught(s.sendAll)
	s.fail()
	s.sent(s.buffered()) // what the client will never read
}

func (s *outcomeSender) sendAll() {
	control := http.NewResponseController(s.writer)
	for text := s.next(); text != nil; text = s.next() {
		for piece := range slices.Chunk(text, maxWrite) {
			s.deadlines.beforeWrite()
			if _, err := s.writer.Write(piece); err != nil {
				return
			}
		}
		_ = control.Flush() // the next write returns the error
		s.sent(len(text))
	}
}

// next waits for the next text to send. It returns nil after the last one.
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

// sent frees the room of that many bytes.
func (s *outcomeSender) sent(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(-bytes)
	s.changed.Broadcast()
}

func (s *outcomeSender) buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

func (s *outcomeSender) fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
	s.changed.Broadcast()
}
