package api

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"learninglog/internal/access"
	"learninglog/internal/caller"
	"learninglog/internal/problem"
)

// What all requests together, and those of one caller, may hold at the same time.
const (
	// Bytes of bodies with more than freeBytes.
	maxBodies, maxBodiesEach = 32 << 20, 16 << 20
	// Logs of arrays, from when these have arrived until they are answered; and logs of
	// arrays and streams that are being recorded. A log takes about a kilobyte.
	maxArrays, maxArraysEach       = 16 * maxArray, 8 * maxArray
	maxRecording, maxRecordingEach = 8 * maxArray, 4 * maxArray
	// leastRecording is what an array or a block takes at least. So eight of a caller are
	// recorded at the same time, however small they are.
	leastRecording = maxArray / 2
	// Open NDJSON streams.
	maxStreams, maxStreamsEach = 64, 16
	// Watchers of rebuilds, each of which reads a row of the database every watchEvery.
	maxWatching, maxWatchingEach = 64, 32
	// Reads of thousands of rows. The others are limited by the connections to the database.
	maxLargeReads, maxLargeReadsEach = 2, 1
	// Bytes of large answers until they are sent.
	maxAnswers, maxAnswersEach = 64 << 20, 32 << 20
	// People whose login elsewhere is being finished, which may take some seconds.
	maxLogins, maxLoginsEach = 16, 8
)

// SessionTurn returns the turns of looking up sessions, and of changing them. They take a
// quarter of the connections to the database, each for a moment.
func SessionTurn(connections int) access.Turn {
	most := max(2, connections/4)
	return newPlaces(most, most/2, "Too many sessions are being looked up.").turn
}

// LoginTurn returns the turns of finishing a login elsewhere.
func LoginTurn() access.Turn {
	return newPlaces(maxLogins, maxLoginsEach, "Too many people are logging in.").turn
}

// places limits what requests hold at the same time, in all and of each caller. Callers who
// wait take turns, however many of their requests do. One who waits for their own share
// keeps no others waiting.
type places struct {
	most, mostEach int
	// detail says what there is too much of.
	detail string

	mu      sync.Mutex
	taken   int
	callers map[caller.Caller]int
	waiting []*line // whose turn is next first
}

// line is the claims of a caller who waits, the oldest first. It is never empty.
type line struct {
	caller caller.Caller
	claims []*claim
}

// claim is places that somebody waits for.
type claim struct {
	caller  caller.Caller
	number  int
	granted chan struct{}
}

func newPlaces(most, mostEach int, detail string) *places {
	return &places{most: most, mostEach: mostEach, detail: detail, callers: make(map[caller.Caller]int)}
}

// acquire waits for places, for about ten seconds at most, and returns the function that
// frees them, which must be called once. Those who came together aren't refused together,
// because then they would come back together.
func (p *places) acquire(ctx context.Context, number int) (release func(), err error) {
	const least, spread = 8 * time.Second, 4 * time.Second
	c := p.claim(ctx, number)
	if c == nil {
		return p.release(caller.Of(ctx), number), nil
	}
	patience := time.NewTimer(least + rand.N(spread)) //nolint:gosec // only to spread them
	defer patience.Stop()
	select {
	case <-c.granted:
	case <-ctx.Done():
		err = p.giveUp(c)
	case <-patience.C:
		err = p.giveUp(c)
	}
	if err != nil {
		return nil, err
	}
	return p.release(c.caller, number), nil
}

// turn is acquire for one place.
func (p *places) turn(ctx context.Context) (end func(), err error) { return p.acquire(ctx, 1) }

// tryAcquire is acquire without waiting.
func (p *places) tryAcquire(ctx context.Context, number int) (release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := caller.Of(ctx)
	if !p.fits(who, number) {
		return nil, p.full()
	}
	p.take(who, number)
	return p.release(who, number), nil
}

// claim returns nil if it has taken the places.
func (p *places) claim(ctx context.Context, number int) *claim {
	p.mu.Lock()
	defer p.mu.Unlock()
	who := caller.Of(ctx)
	if len(p.waiting) == 0 && p.fits(who, number) {
		p.take(who, number)
		return nil
	}
	c := &claim{who, number, make(chan struct{})}
	if at := p.lineOf(who); at >= 0 {
		p.waiting[at].claims = append(p.waiting[at].claims, c) // behind one that wasn't granted
		return c
	}
	p.waiting = append(p.waiting, &line{who, []*claim{c}})
	p.grant()
	return c
}

// giveUp returns an error, unless the places have just been granted.
func (p *places) giveUp(c *claim) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.lineOf(c.caller)
	if at < 0 {
		return nil
	}
	i := slices.Index(p.waiting[at].claims, c)
	if i < 0 {
		return nil
	}
	p.leave(at, i)
	p.grant() // to those behind
	return p.full()
}

func (p *places) full() error { return problem.Busy{Detail: p.detail} }

func (p *places) release(who caller.Caller, number int) func() {
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.take(who, -number)
		p.grant()
	}
}

// isShareTaken reports whether a caller has as many places as one may.
func (p *places) isShareTaken(who caller.Caller) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.fitsShare(who, 1)
}

// The other methods must be called with p.mu held.

// lineOf returns where the line of a caller is, or -1.
func (p *places) lineOf(who caller.Caller) int {
	return slices.IndexFunc(p.waiting, func(l *line) bool { return l.caller == who })
}

// leave removes a claim from a line, and the line if that was all.
func (p *places) leave(at, claim int) {
	l := p.waiting[at]
	if l.claims = slices.Delete(l.claims, claim, claim+1); len(l.claims) == 0 {
		p.waiting = slices.Delete(p.waiting, at, at+1)
	}
}

// grant gives places to those who wait. One for whom there aren't enough keeps those behind
// waiting, so that their turn comes, unless it is only their share that is taken.
func (p *places) grant() {
	for at := 0; at < len(p.waiting); {
		l := p.waiting[at]
		next := l.claims[0]
		switch {
		case !p.fitsShare(l.caller, next.number):
			at++
		case !p.fits(l.caller, next.number):
			return
		default:
			p.take(l.caller, next.number)
			close(next.granted)
			p.waiting = append(slices.Delete(p.waiting, at, at+1), l) // its next turn is after the others'
			p.leave(len(p.waiting)-1, 0)
		}
	}
}

func (p *places) fits(who caller.Caller, number int) bool {
	return p.fitsShare(who, number) && (p.taken == 0 || p.taken+number <= p.most)
}

// fitsShare reports whether a caller may have that many more: while no fewer would be left
// than it has then. So one may have half of them, two three quarters, and there are some for
// others.
func (p *places) fitsShare(who caller.Caller, number int) bool {
	has := p.callers[who]
	return has == 0 || has+number <= min(p.mostEach, p.most-p.taken)
}

func (p *places) take(who caller.Caller, number int) {
	p.taken += number
	if p.callers[who] += number; p.callers[who] == 0 {
		delete(p.callers, who)
	}
}
