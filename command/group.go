package command

import (
	"context"
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

	waiting atomic.Int64 // entries that are accepted and not being written yet

	// context is that of all writing. It ends when closing takes too long.
	context context.Context //nolint:containedctx // a batch outlives the calls that it is made of
	abort   context.CancelFunc

	mu     sync.Mutex
	open   int // submissions that aren't done
	closed bool
	idle   chan struct{} // closed when it is closed and nothing is open
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

func newGroup(db database, config Config) *group {
	ctx, abort := context.WithCancel(context.Background())
	g := &group{
		config:  config,
		writer:  newWriter(db, config),
		seed:    maphash.MakeSeed(),
		context: ctx,
		abort:   abort,
		idle:    make(chan struct{}),
	}
	for range config.Lanes {
		g.lanes = append(g.lanes, &lane{group: g})
	}
	return g
}

// write returns an outcome for every entry. If ctx ends first, those that aren't
// settled Failed.
func (g *group) write(ctx context.Context, logs []Log) []Outcome {
	if len(logs) == 0 {
		return nil
	}
	s := newSubmission(logs)
	if err := g.submit(ctx, s); err != nil {
		g.config.Observer.Refused(Failed, len(logs))
		return s.outcomes(err)
	}
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

// submit accepts s, if there is room for it, and hands it to the lanes.
func (g *group) submit(ctx context.Context, s *submission) error {
	if err := g.accept(ctx, len(s.entries)); err != nil {
		return err
	}
	lanes := g.lanes
	if g.config.MaxBatch == 1 {
		lanes = []*lane{{group: g}} // of its own: no group commit
	}
	parts := g.divide(s, len(lanes))
	for i := range parts {
		if len(parts[i].entries) > 0 {
			lanes[i].push(&parts[i])
		}
	}
	return nil
}

func (g *group) accept(ctx context.Context, entries int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrStopped
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case int(g.waiting.Load()) >= g.config.MaxWaiting:
		return ErrFull
	}
	g.waiting.Add(int64(entries))
	g.open++
	return nil
}

// divide puts every entry into the part of its user's lane; but logs with the
// same request id into that of the first, so that the first is recorded.
func (g *group) divide(s *submission, lanes int) []part {
	parts := make([]part, lanes)
	for i := range parts {
		parts[i].submission = s
	}
	firsts := make(map[uuid.UUID]int, len(s.entries))
	for i := range s.entries {
		e := &s.entries[i]
		place, repeated := firsts[e.log.RequestID]
		if !repeated {
			place = g.laneOf(e.log.UserID, lanes)
			firsts[e.log.RequestID] = place
		}
		parts[place].entries = append(parts[place].entries, e)
	}
	return parts
}

// laneOf spreads users evenly, whatever kind of UUIDs they have and whoever
// chooses them: of some kinds all but the time is the same.
func (g *group) laneOf(user uuid.UUID, lanes int) int {
	return int(maphash.Bytes(g.seed, user[:]) % uint64(lanes)) //nolint:gosec // less than lanes
}

// drop gives up a part that nobody waits for. Its entries stay without an outcome.
func (g *group) drop(p *part) {
	g.waiting.Add(-int64(len(p.entries)))
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
