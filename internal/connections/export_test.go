package connections

import "time"

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
