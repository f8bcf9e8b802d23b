package api

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"learninglog/internal/caller"
	"learninglog/internal/problem"
)

const (
	// maxUnreadOfAll is about how many bytes of outcomes are buffered for all streams.
	// Beyond it, a stream keeps only what is being sent.
	maxUnreadOfAll = 64 << 20
	// A stream must give up its place to one that waits if no log has arrived for
	// slowAfter, or fewer than leastLogs a second since it was opened that long ago.
	slowAfter = 5 * time.Second
	leastLogs = 10
)

// streams are the open streams of logs.
type streams struct {
	places *places
	unread atomic.Int64 // bytes of outcomes that clients haven't read yet

	mu   sync.Mutex
	open map[*stream]caller.Caller
}

func newStreams() *streams {
	return &streams{
		places: newPlaces(maxStreams, maxStreamsEach, "Too many streams of logs are open."),
		open:   make(map[*stream]caller.Caller),
	}
}

// errMadeWay is why a stream ends that gives up its place.
var errMadeWay = problem.Busy{Detail: "Fewer than ten logs a second arrived, and another stream waited for the place."}

// enter takes a place for a stream, and returns the function that frees it. If there is
// none, the slowest stream is ended for it, if one is slow: of the same caller, if it has
// as many as one caller may.
func (s *streams) enter(ctx context.Context) (leave func(), err error) {
	leave, err = s.places.tryAcquire(ctx, 1)
	if err != nil {
		s.endSlowest(caller.Of(ctx))
		leave, err = s.places.acquire(ctx, 1)
	}
	return leave, err
}

func (s *streams) add(st *stream, who caller.Caller) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[st] = who
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, st)
	}
}

func (s *streams) endSlowest(newcomer caller.Caller) {
	ownOnly := s.places.isShareTaken(newcomer)
	s.mu.Lock()
	defer s.mu.Unlock()
	var slowest *stream
	var silence time.Duration
	for st, who := range s.open {
		if since, slow := st.reader.speed(); slow && (who == newcomer || !ownOnly) && since >= silence {
			slowest, silence = st, since
		}
	}
	if slowest != nil {
		delete(s.open, slowest) // so that the next one ends another
		slowest.end(errMadeWay)
	}
}

// speed returns how long ago the last log arrived, and whether logs arrive so slowly that
// the stream must give up its place to another.
func (r *lineReader) speed() (silence time.Duration, slow bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	silence = now.Sub(r.last)
	if r.full() || r.paced { // the client is kept waiting
		return silence, false
	}
	age := now.Sub(r.since)
	return silence, silence > slowAfter || age > slowAfter && float64(r.arrived) < leastLogs*age.Seconds()
}
