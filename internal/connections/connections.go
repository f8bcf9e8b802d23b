// Package connections bounds what the clients of an HTTP server can hold by their mere
// connections: how many there are, in all and of one caller, and for how long one may
// keep an answer from being sent. Begin with [Limit].
package connections

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"learninglog/internal/caller"
	"learninglog/internal/problem"
)

// Limits are the limits of connections.
type Limits struct {
	// Most is how many connections may be open, at least 1. One caller may have half of
	// them, two may have three quarters, and so on.
	Most int
	// Reserved is how many more may be open, half of them of one caller. They are closed
	// after a request, which is refused unless it is for one of the paths in Always.
	Reserved int
	// Always has the paths that are served however many connections there are, such as
	// health checks.
	Always []string
}

// A caller's connections are served at once if they are so many, and others one after the
// other. So thousands that are opened at once don't take all processor time.
const (
	opensPerSecond = 500
	opensAtOnce    = 100
	// longestTurn is how long a connection may have to wait. Further ones are refused.
	longestTurn = 2 * time.Second
)

// settled is how long a connection must have been idle to make way for another of the same
// caller. One who opens them faster only gets fewer.
const settled = time.Second

// Limiter is a listener that limits its connections. If there are too many, it closes
// those that have no request under way, of whoever has most of them, the longest idle
// first. So idle connections keep nobody out.
type Limiter struct {
	net.Listener

	limits   Limits
	progress time.Duration
	settled  time.Duration

	mu      sync.Mutex
	open    int // without those that are crowded
	crowded int
	callers map[caller.Caller]*held
	refused int
}

// held is the connections of a caller.
type held struct {
	// all has them in the order in which their states changed, the oldest first.
	all list.List // of *connection
	// idle is how many have no request under way, and crowded how many are beyond the limit.
	idle, crowded int
	// pace is that of opening them.
	pace *rate.Limiter
}

// Limit makes a server serve the connections of a listener within limits. It returns the
// listener that must be served, and must be called before.
func Limit(server *http.Server, listener net.Listener, limits Limits) *Limiter {
	l := &Limiter{Listener: listener, limits: limits, progress: progress, settled: settled, callers: make(map[caller.Caller]*held)}
	server.ConnState = l.changed
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		own, _ := c.(*connection)
		return context.WithValue(caller.With(ctx, &own.caller), key{}, own)
	}
	server.Handler = l.refuse(server.Handler)
	return l
}

type key struct{}

// Accept returns the next connection that may be served. Whoever can go on with those
// that there are does so first: thousands may be opened at once.
func (l *Limiter) Accept() (net.Conn, error) {
	for {
		runtime.Gosched()
		accepted, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.admit(accepted); c != nil {
			return c, nil
		}
		_ = accepted.Close()
	}
}

// admit counts a connection, or returns nil if there are too many.
func (l *Limiter) admit(accepted net.Conn) *connection {
	c := &connection{Conn: accepted, progress: l.progress, caller: caller.At(accepted.RemoteAddr())}
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.callers[c.caller]
	if own == nil {
		own = &held{pace: rate.NewLimiter(opensPerSecond, opensAtOnce)}
	}
	turn := own.pace.Reserve()
	if turn.Delay() > longestTurn {
		turn.Cancel()
		l.refused++
		return nil
	}
	isShareTaken := !l.fitsShare(own) && !l.closeOne(own, l.settled)
	if isShareTaken || l.open >= l.limits.Most && !l.closeOne(l.mostIdle(), l.settled) {
		if l.crowded >= l.limits.Reserved || own.crowded >= max(1, l.limits.Reserved/2) {
			l.refused++
			return nil
		}
		c.crowded = true
	}
	l.callers[c.caller] = own // closing may have removed it
	c.turnIn = turn.Delay()
	c.place = own.all.PushBack(c)
	own.setIdle(c, true)
	l.count(c, 1)
	return c
}

// count must be called with l.mu held.
func (l *Limiter) count(c *connection, number int) {
	if c.crowded {
		l.crowded += number
		l.callers[c.caller].crowded += number
	} else {
		l.open += number
	}
}

// setIdle takes note of the state of a connection. One that is crowded makes way for none.
func (h *held) setIdle(c *connection, idle bool) {
	idle = idle && !c.crowded
	if c.idle != idle {
		c.idle = idle
		if idle {
			h.idle++
		} else {
			h.idle--
		}
	}
	c.since = time.Now()
	h.all.MoveToBack(c.place)
}

// fitsShare reports whether a caller may have one connection more: while no fewer would be
// left than it has. So one may have half of them, two three quarters, and there are some for
// others. It must be called with l.mu held.
func (l *Limiter) fitsShare(own *held) bool {
	has := own.all.Len() - own.crowded
	return has == 0 || has+1 <= l.limits.Most-l.open
}

// mostIdle returns the caller with the most idle connections, or nil. It must be called
// with l.mu held.
func (l *Limiter) mostIdle() (most *held) {
	for _, h := range l.callers {
		if h.idle > 0 && (most == nil || h.idle > most.idle) {
			most = h
		}
	}
	return most
}

// closeOne closes the connection of a caller that has been idle for longest, if that is
// long enough, and reports whether it did. It must be called with l.mu held.
func (l *Limiter) closeOne(h *held, least time.Duration) bool {
	if h == nil || h.idle == 0 {
		return false
	}
	for at := h.all.Front(); at != nil; at = at.Next() {
		if c, _ := at.Value.(*connection); c.idle {
			if time.Since(c.since) < least {
				return false
			}
			l.forget(c)
			_ = c.Close()
			return true
		}
	}
	return false
}

// forget uncounts a connection, once. It must be called with l.mu held.
func (l *Limiter) forget(c *connection) {
	if c.forgotten {
		return
	}
	c.forgotten = true
	l.count(c, -1)
	own := l.callers[c.caller]
	own.setIdle(c, false)
	if own.all.Remove(c.place); own.all.Len() == 0 {
		delete(l.callers, c.caller)
	}
}

// changed is called by the server when the state of a connection changes.
func (l *Limiter) changed(served net.Conn, state http.ConnState) {
	c, _ := served.(*connection)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch own := l.callers[c.caller]; {
	case c.forgotten, state == http.StateNew:
	case state == http.StateActive:
		own.setIdle(c, false)
	case state == http.StateIdle:
		c.begin()
		own.setIdle(c, true)
	default: // it is closed
		l.forget(c)
	}
}

// Count returns how many connections are open, and how many were refused because there
// were too many.
func (l *Limiter) Count() (open, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open + l.crowded, l.refused
}

// refuse refuses the requests of connections beyond the limit, and requests with two
// lengths.
func (l *Limiter) refuse(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(key{}).(*connection)
		switch {
		case c.crowded && !slices.Contains(l.limits.Always, r.URL.Path):
			hangUp(w, problem.Unavailable.New("There are too many connections.").Later(problem.RetryAfter))
		case r.ProtoMajor == 1 && c.head.hasTwoLengths():
			hangUp(w, problem.NotHTTP.New("It has both a Content-Length and a Transfer-Encoding: proxies may disagree on where it ends."))
		default:
			if c.crowded {
				w.Header().Set("Connection", "close")
			}
			next.ServeHTTP(w, r)
		}
	})
}

// hangUp answers with a problem, and waits for no more of the request.
func hangUp(w http.ResponseWriter, wrong *problem.Problem) {
	w.Header().Set("Connection", "close")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	stopReading(w)
	wrong.WriteJSON(w)
}
