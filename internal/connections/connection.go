package connections

import (
	"container/list"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"learninglog/internal/caller"
)

const (
	// progress is how long a client may take at least, and twice that at most, to read a
	// piece of an answer, of at most pieceSize bytes. So an answer of any length may be read
	// slowly, but not less than 1.6 kB a second.
	progress  = 5 * time.Second
	pieceSize = 16 << 10
)

// errTooManyFields makes net/http refuse the request.
var errTooManyFields = errors.New("the header has too many fields")

// connection is a connection whose client must read what is sent to it.
type connection struct {
	net.Conn

	caller   caller.Caller
	crowded  bool          // it is beyond the limit
	turnIn   time.Duration // until it is served, or 0
	head     head          // of the current request
	progress time.Duration

	// These are guarded by the limiter.
	place           *list.Element
	since           time.Time // when its state changed last
	idle, forgotten bool

	mu       sync.Mutex
	deadline time.Time // as a handler wants it; zero is none
	extended time.Time // otherwise
}

// begin begins a new request.
func (c *connection) begin() {
	c.head.begin()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = time.Time{}
}

func (c *connection) Read(into []byte) (int, error) {
	if c.turnIn > 0 {
		time.Sleep(c.turnIn)
		c.turnIn = 0
	}
	n, err := c.Conn.Read(into)
	c.head.read(into[:n])
	if c.head.fields > maxFields {
		return 0, errTooManyFields
	}
	return n, err
}

// Write sends in pieces, each with a deadline of its own.
func (c *connection) Write(text []byte) (sent int, err error) {
	if ours := asProblem(text); ours != nil {
		if _, err := c.write(ours); err != nil {
			return 0, err
		}
		return len(text), nil
	}
	return c.write(text)
}

func (c *connection) write(text []byte) (sent int, err error) {
	for len(text) > sent && err == nil {
		var n int
		c.extendDeadline()
		n, err = c.Conn.Write(text[sent:min(sent+pieceSize, len(text))])
		sent += n
	}
	return sent, err
}

func (c *connection) extendDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.deadline.IsZero() {
		return // the handler has set it
	}
	// Setting a deadline costs as much as a small write, so one serves for some writes.
	if now := time.Now(); c.extended.Sub(now) < c.progress {
		c.extended = now.Add(2 * c.progress)
		_ = c.Conn.SetWriteDeadline(c.extended) // fails only if it is closed, as the write then does
	}
}

// SetWriteDeadline sets the deadline of the writes of the current request, instead of one
// for each piece.
func (c *connection) SetWriteDeadline(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.extended = deadline, time.Time{}
	return c.Conn.SetWriteDeadline(deadline)
}

// SetDeadline sets the deadlines of reads and writes.
func (c *connection) SetDeadline(deadline time.Time) error {
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	return c.SetWriteDeadline(deadline)
}

// CloseWrite tells the client that nothing more will be sent. The server uses it to let a
// client read an answer that came before its request was read.
func (c *connection) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// stopReading makes the server read no more of the current request, except what has
// arrived.
func stopReading(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // fails only with a test's recorder
}
