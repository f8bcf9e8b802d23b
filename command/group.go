package command

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxChunk is the most entries of one submission in a batch, so that ten
// thousand logs don't hold up those that come singly.
const maxChunk = 500

// group is group commit: logs that are submitted at the same time are written
// by one execution of the one write statement, and share its commit. A few
// writers work at once; while their batches are being written the next one
// fills. Nobody waits for a timer: a submission to an idle group is written at
// once, and under load a batch is as large as the load makes it.
type group struct {
	config Config
	writer *writer

	// context is that of the writers. It ends when closing takes too long.
	context context.Context //nolint:containedctx // the writers outlive the calls that start them
	abort   context.CancelFunc

	mu       sync.Mutex
	queue    []*submission // the oldest first, each with entries that aren't taken
	queued   int           // their entries that aren't taken
	waiting  int           // queued, and those that follow a part being written
	writing  int           // writers at work
	pace     time.Duration // what an entry takes, lately
	inFlight int           // entries that they write
	closed   bool
	idle     chan struct{} // closed once closed and nothing is queued or written
}

// submission is the logs of one call, on their way.
type submission struct {
	entries []entry
	queued  time.Time
	done    chan struct{} // closed when every entry is settled

	// Entries are taken and settled in their order, each part of them after the
	// one before: of two logs with the same request id, the first is recorded.
	// Guarded by the group.
	taken, settled int
	abandoned      bool
}

// entry is a log, and what became of it.
type entry struct {
	log     Log
	outcome Outcome
}

// batch is what one writer writes: parts of submissions.
type batch struct {
	submissions []*submission
	entries     []*entry
	waited      []time.Duration // of each submission
	taken       time.Time
}

func newGroup(db database, config Config) *group {
	ctx, abort := context.WithCancel(context.Background())
	return &group{
		config:  config,
		writer:  newWriter(db, config),
		context: ctx,
		abort:   abort,
		idle:    make(chan struct{}),
	}
}

// write returns an outcome for every entry.
func (g *group) write(ctx context.Context, entries []entry) []Outcome {
	if len(entries) == 0 {
		return nil
	}
	s := &submission{entries: entries, done: make(chan struct{})}
	if err := g.submit(s); err != nil {
		return s.outcomes(0, err)
	}
	select {
	case <-s.done:
		return s.outcomes(len(s.entries), nil)
	case <-ctx.Done():
		return s.outcomes(g.abandon(s), context.Cause(ctx))
	}
}

// outcomes returns those of the first entries, which are settled; the others
// Failed.
func (s *submission) outcomes(settled int, err error) []Outcome {
	outcomes := make([]Outcome, len(s.entries))
	for i := range s.entries {
		if i < settled {
			outcomes[i] = s.entries[i].outcome
		} else {
			outcomes[i] = Outcome{Status: Failed, Err: err}
		}
	}
	return outcomes
}

func (g *group) submit(s *submission) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrStopped
	case g.waiting > 0 && g.waiting+len(s.entries) > g.config.MaxWaiting:
		return ErrFull
	}
	g.waiting += len(s.entries)
	g.push(s)
	if g.worthWriting() {
		g.writing++
		go g.work(g.take())
	}
	return nil
}

// push puts what isn't taken yet of s at the end of the queue.
func (g *group) push(s *submission) {
	s.queued = time.Now()
	g.queue = append(g.queue, s)
	g.queued += len(s.entries) - s.taken
}

// worthWriting says whether one more writer should begin. The first begins with
// whatever there is. Another waits until it has as much to write as those at
// work: many small batches cost more than a few large ones, and wait for each
// other's rows.
func (g *group) worthWriting() bool {
	switch {
	case g.queued == 0 || g.writing >= g.config.Writers:
		return false
	case g.writing == 0:
		return true
	default:
		return g.queued >= min(g.inFlight/g.writing, g.config.MaxBatch)
	}
}

// work writes a batch, and then others until there are no more or the other
// writers are enough.
func (g *group) work(next *batch) {
	for next != nil {
		g.writer.write(g.context, next)
		next = g.goOn(next)
	}
}

// goOn settles what a writer has written and returns its next batch, or nil if
// it should end.
func (g *group) goOn(written *batch) *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(written)
	g.keepPace(written)
	g.writing--
	if g.worthWriting() {
		g.writing++
		return g.take()
	}
	if g.closed && g.writing == 0 {
		close(g.idle)
	}
	return nil
}

// take takes the next batch from the queue.
func (g *group) take() *batch {
	next := &batch{taken: time.Now()}
	for len(g.queue) > 0 && len(next.entries) < g.config.MaxBatch {
		s := g.queue[0]
		g.queue[0] = nil
		g.queue = g.queue[1:]
		g.queued -= len(s.entries) - s.taken
		next.add(s)
	}
	g.waiting -= len(next.entries)
	g.inFlight += len(next.entries)
	return next
}

// add takes a part of s.
func (b *batch) add(s *submission) {
	part := min(s.taken+maxChunk, len(s.entries))
	for ; s.taken < part; s.taken++ {
		b.entries = append(b.entries, &s.entries[s.taken])
	}
	b.submissions = append(b.submissions, s)
	b.waited = append(b.waited, b.taken.Sub(s.queued))
}

// settle ends the submissions that are all written, and queues the others again.
func (g *group) settle(written *batch) {
	g.inFlight -= len(written.entries)
	for _, s := range written.submissions {
		s.settled = s.taken
		switch {
		case s.settled == len(s.entries):
			close(s.done)
		case !s.abandoned:
			g.push(s)
		}
	}
}

// abandon gives up the entries of s that aren't taken, as nobody waits for them
// any more, and returns how many are settled.
func (g *group) abandon(s *submission) (settled int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.abandoned = true
	g.waiting -= len(s.entries) - s.taken
	if i := slices.Index(g.queue, s); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		g.queued -= len(s.entries) - s.taken
	}
	return s.settled
}

// close accepts nothing more, and returns when everything that was accepted is
// settled. Where ctx ends first, what is left Failed.
func (g *group) close(ctx context.Context) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		if g.writing == 0 {
			close(g.idle)
		}
	}
	g.mu.Unlock()
	select {
	case <-g.idle:
		return nil
	case <-ctx.Done():
		if g.isIdle() {
			return nil
		}
		g.abort()
		<-g.idle
		return fmt.Errorf("writing what was accepted: %w", context.Cause(ctx))
	}
}

func (g *group) isIdle() bool {
	select {
	case <-g.idle:
		return true
	default:
		return false
	}
}

// keepPace learns how fast batches are written, the latest the most.
func (g *group) keepPace(written *batch) {
	const weight = 8
	pace := time.Since(written.taken) / time.Duration(len(written.entries)*g.writing)
	g.pace += (pace - g.pace) / weight
}

// backlog is at least a second: who was turned away should not come back at once.
func (g *group) backlog() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(time.Second, g.pace*time.Duration(g.waiting))
}

func (g *group) depth() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}
