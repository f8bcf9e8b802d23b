package connections

import (
	"net"
	"time"
)

// SetProgress sets how long a client may take to read a piece. Call it before the first
// connection.
func (l *Limiter) SetProgress(d time.Duration) { l.progress = d }

// Active returns how many connections have a request under way.
func (l *Limiter) Active() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	active := l.open + l.crowded
	for _, h := range l.callers {
		active -= h.idle
	}
	return active
}

// SetSettled sets how long a connection must have been idle to make way for another of the
// same caller. Call it before the first connection.
func (l *Limiter) SetSettled(d time.Duration) { l.settled = d }

// TurnOf returns how long the next connection from an address would have to wait, or false
// if it would be refused.
func (l *Limiter) TurnOf(accepted net.Conn) (time.Duration, bool) {
	c := l.admit(accepted)
	if c == nil {
		return 0, false
	}
	return c.turnIn, true
}
