package command

import (
	"sync"
	"time"
)

// maxChunk is the most entries of one call in a batch, so that ten thousand logs
// don't hold up those that come singly.
const maxChunk = 2000

// lane writes one batch at a time. What is submitted to an idle lane is written
// at once; what is submitted while a batch is being written makes up the next.
type lane struct {
	group *group

	mu     sync.Mutex
	queue  []*part // the oldest first
	queued int     // their entries
	busy   bool
	pace   time.Duration // what writing an entry takes, lately
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
	l.enqueue(p)
	if !l.busy {
		l.busy = true
		go l.work()
	}
}

func (l *lane) enqueue(p *part) {
	p.queued = time.Now()
	l.queue = append(l.queue, p)
	l.queued += len(p.entries)
}

// work writes batches until there is no more to write.
func (l *lane) work() {
	for next := l.take(); next != nil; next = l.take() {
		l.group.writer.write(l.group.context, next)
		l.settle(next)
	}
}

// take takes the next batch, or ends the lane's work where there is none.
func (l *lane) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &batch{taken: time.Now()}
	for len(l.queue) > 0 && len(next.entries) < l.group.config.MaxBatch {
		p := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.queued -= len(p.entries)
		if p.submission.abandoned.Load() {
			l.group.drop(p)
		} else {
			next.add(p)
		}
	}
	if len(next.entries) == 0 {
		l.busy = false
		return nil
	}
	l.group.waiting.Add(-int64(len(next.entries)))
	return next
}

// add takes the next entries of a part.
func (b *batch) add(p *part) {
	n := min(len(p.entries), maxChunk)
	b.chunks = append(b.chunks, chunk{part: p, entries: p.entries[:n], waited: b.taken.Sub(p.queued)})
	b.entries = append(b.entries, p.entries[:n]...)
	p.entries = p.entries[n:]
}

// settle hands out the outcomes. What is left of a part goes to the end of the
// queue, behind the calls that came meanwhile.
func (l *lane) settle(written *batch) {
	l.mu.Lock()
	l.keepPace(written)
	for _, c := range written.chunks {
		if len(c.part.entries) > 0 {
			l.enqueue(c.part)
		}
	}
	l.mu.Unlock()
	for _, c := range written.chunks {
		l.group.settle(c.part.submission, c.entries)
	}
}

// keepPace learns how long an entry takes, from the latest batches the most.
func (l *lane) keepPace(written *batch) {
	const weight = 8
	pace := time.Since(written.taken) / time.Duration(len(written.entries))
	l.pace += (pace - l.pace) / weight
}

// backlog is about how long it takes to write what waits.
func (l *lane) backlog() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pace * time.Duration(l.queued)
}
