package command

import (
	"context"
	"sync"
	"time"
)

// maxChunk is the most entries of one call in a batch, so that ten thousand logs
// don't hold up those that come singly.
const maxChunk = 2000

// lane writes one batch at a time. What is submitted to an idle lane is written
// at once; what is submitted while a batch is being written makes up the next.
type lane struct {
	// context is that of all writing: a batch outlives the calls that it is made of.
	context   context.Context //nolint:containedctx // see above
	writer    *writer
	maxBatch  int
	admission *admission
	observer  Observer

	mu     sync.Mutex
	queue  []*part // the oldest first
	queued int     // entries that wait, those of a part that is being written included
	busy   bool
	pace   time.Duration // what writing a batch takes, lately
}

// batch is what a lane writes together.
type batch struct {
	chunks  []chunk
	entries []*entry
	taken   time.Time
}

// chunk is the entries of a part that are in a batch.
type chunk struct {
	part    *part
	entries []*entry
	waited  time.Duration
}

func (l *lane) push(p *part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued += len(p.entries)
	l.enqueue(p)
	if !l.busy {
		l.busy = true
		go l.work()
	}
}

func (l *lane) enqueue(p *part) {
	p.queued = time.Now()
	l.queue = append(l.queue, p)
}

// work writes batches until there is no more to write.
func (l *lane) work() {
	for next := l.take(); next != nil; next = l.take() {
		l.writer.write(l.context, next)
		l.settle(next)
	}
}

// take takes the next batch, or ends the lane's work where there is none.
func (l *lane) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &batch{taken: time.Now()}
	for len(l.queue) > 0 && len(next.entries) < l.maxBatch {
		p := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		if p.submission.abandoned.Load() {
			l.queued -= len(p.entries)
			l.drop(p)
		} else {
			l.queued -= next.add(p)
		}
	}
	if len(next.entries) == 0 {
		l.busy = false
		return nil
	}
	l.admission.leave(len(next.entries))
	return next
}

// drop gives up a part that nobody waits for. Its entries stay without an outcome.
func (l *lane) drop(p *part) {
	l.admission.leave(len(p.entries))
	l.observer.Refused(Failed, len(p.entries))
	if p.submission.release(len(p.entries)) {
		l.admission.callDone()
	}
}

// add takes the next entries of a part, and returns how many.
func (b *batch) add(p *part) int {
	n := min(len(p.entries), maxChunk)
	b.chunks = append(b.chunks, chunk{part: p, entries: p.entries[:n], waited: b.taken.Sub(p.queued)})
	b.entries = append(b.entries, p.entries[:n]...)
	p.entries = p.entries[n:]
	return n
}

// settle hands out the outcomes. What is left of a part goes to the end of the
// queue, behind the calls that came meanwhile.
func (l *lane) settle(written *batch) {
	l.mu.Lock()
	l.keepPace(time.Since(written.taken))
	for _, c := range written.chunks {
		if len(c.part.entries) > 0 {
			l.enqueue(c.part)
		}
	}
	l.mu.Unlock()
	for _, c := range written.chunks {
		if c.part.submission.settle(c.entries) {
			l.admission.callDone()
		}
	}
}

// keepPace learns how long a batch takes, from the latest the most. A batch takes
// its time whatever its size, so that of an entry would tell nothing of the next.
func (l *lane) keepPace(took time.Duration) {
	const weight = 8
	l.pace += (took - l.pace) / weight
}

// backlog is about how long it takes to write what waits.
func (l *lane) backlog() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	batches := (l.queued + l.maxBatch - 1) / l.maxBatch
	return l.pace * time.Duration(batches)
}
