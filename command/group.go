package command

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// group is group commit: logs that are submitted at the same time are written
// by one execution of the one write statement, and share its commit.
//
// It has a few lanes, each with a batch under way at most. The logs of a user
// are always in the same lane, so that batches don't wait for each other's
// rollup rows.
type group struct {
	config Config
	writer *writer
	lanes  []*lane
	seed   maphash.Seed // of the hashes that spread users over lanes

	// context is that of all writing. It ends when closing takes too long.
	context context.Context //nolint:containedctx // a batch outlives the calls that it is made of
	abort   context.CancelFunc

	mu      sync.Mutex
	waiting int           // entries that are accepted and whose turn hasn't come
	changed chan struct{} // closed, and replaced, when there may be room that there wasn't
	open    int           // submissions that aren't done
	closed  bool
	idle    chan struct{} // closed when it is closed and nothing is open
}

// submission is the logs of one call, on their way.
type submission struct {
	entries   []entry
	left      atomic.Int64  // entries that are waiting or being written
	abandoned atomic.Bool   // nobody waits for it any more
	done      chan struct{} // closed when none is left
}

// entry is a log, and what became of it.
type entry struct {
	log     Log
	outcome Outcome
	settled atomic.Bool
}

// part is what a lane has of a submission. Its entries are taken in their order,
// some of them only when those before are settled.
type part struct {
	submission *submission
	entries    []*entry
	queued     time.Time
}

func newGroup(store store, config Config) *group {
	ctx, abort := context.WithCancel(context.Background())
	g := &group{
		config:  config,
		writer:  newWriter(store, config),
		seed:    maphash.MakeSeed(),
		context: ctx,
		abort:   abort,
		changed: make(chan struct{}),
		idle:    make(chan struct{}),
	}
	for range config.Lanes {
		g.lanes = append(g.lanes, &lane{group: g})
	}
	return g
}

// write returns an outcome for every entry, if accept lets them in. If ctx ends
// first, those that aren't settled Failed.
func (g *group) write(ctx context.Context, logs []Log, accept accept) []Outcome {
	if len(logs) == 0 {
		return nil
	}
	s := newSubmission(logs)
	if err := accept(ctx, len(logs)); err != nil {
		g.config.Observer.Refused(Failed, len(logs))
		return s.outcomes(err)
	}
	g.submit(s)
	select {
	case <-s.done:
		return s.outcomes(nil)
	case <-ctx.Done():
		s.abandoned.Store(true)
		return s.outcomes(context.Cause(ctx))
	}
}

func newSubmission(logs []Log) *submission {
	s := &submission{entries: make([]entry, len(logs)), done: make(chan struct{})}
	for i := range logs {
		s.entries[i].log = logs[i]
	}
	s.left.Store(int64(len(logs)))
	return s
}

// outcomes returns those of the entries that are settled; the others Failed.
func (s *submission) outcomes(err error) []Outcome {
	outcomes := make([]Outcome, len(s.entries))
	for i := range s.entries {
		if e := &s.entries[i]; e.settled.Load() {
			outcomes[i] = e.outcome
		} else {
			outcomes[i] = Outcome{Status: Failed, Err: err}
		}
	}
	return outcomes
}

// submit hands s, which was accepted, to the lanes of its users. Logs with the same
// key have the same lane, and stay in their order.
func (g *group) submit(s *submission) {
	parts := make(map[*lane]*part)
	for i := range s.entries {
		e := &s.entries[i]
		l := g.laneOf(e.log.UserID)
		if parts[l] == nil {
			parts[l] = &part{submission: s}
		}
		parts[l].entries = append(parts[l].entries, e)
	}
	for l, p := range parts {
		l.push(p)
	}
}

// accept lets so many entries of a call in, or fails.
type accept func(ctx context.Context, entries int) error

// acceptNow fails where there is no room.
func (g *group) acceptNow(ctx context.Context, entries int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrStopped
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case g.waiting >= g.config.MaxWaiting:
		return ErrFull
	}
	g.waiting += entries
	g.open++
	return nil
}

// acceptPatiently waits for room. If ctx ends first, there was none.
func (g *group) acceptPatiently(ctx context.Context, entries int) error {
	for {
		changed := g.nextChange()
		err := g.acceptNow(ctx, entries)
		if !errors.Is(err, ErrFull) {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return err
		}
	}
}

func (g *group) nextChange() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

// announceChange is called with g.mu held.
func (g *group) announceChange() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// leave is called when entries don't wait any more.
func (g *group) leave(entries int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting -= entries
	g.announceChange()
}

func (g *group) countWaiting() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

// laneOf spreads users evenly, whatever kind of UUIDs they have and whoever
// chooses them: of some kinds all but the time is the same.
func (g *group) laneOf(user uuid.UUID) *lane {
	return g.lanes[maphash.Bytes(g.seed, user[:])%uint64(len(g.lanes))]
}

// drop gives up a part that nobody waits for. Its entries stay without an outcome.
func (g *group) drop(p *part) {
	g.leave(len(p.entries))
	g.config.Observer.Refused(Failed, len(p.entries))
	g.release(p.submission, len(p.entries))
}

// settle is called when entries of s have got their outcomes.
func (g *group) settle(s *submission, entries []*entry) {
	for _, e := range entries {
		e.settled.Store(true)
	}
	g.release(s, len(entries))
}

// release ends s when none of its entries is left.
func (g *group) release(s *submission, entries int) {
	if s.left.Add(-int64(entries)) > 0 {
		return
	}
	close(s.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	g.endIfIdle()
}

// endIfIdle is called with g.mu held.
func (g *group) endIfIdle() {
	if g.closed && g.open == 0 {
		close(g.idle)
	}
}

// backlog is at least a second: who was turned away should not come back at once.
// It is no more than half a minute: what took long may be over sooner.
func (g *group) backlog() time.Duration {
	const least, most = time.Second, 30 * time.Second
	longest := least
	for _, lane := range g.lanes {
		longest = max(longest, lane.backlog())
	}
	return min(longest, most)
}

// close accepts nothing more, and returns when everything that was accepted is
// settled. Where ctx ends first, what is left Failed.
func (g *group) close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		g.announceChange()
		g.endIfIdle()
	}
	open := g.open
	g.mu.Unlock()
	if open == 0 {
		return nil
	}
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
		g.abort()
		<-g.idle
		return fmt.Errorf("writing what was accepted: %w", context.Cause(ctx))
	}
}
