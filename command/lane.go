package command

import (
	"context"
	"sync"
	"time"
)

// maxTurn is the most logs of one call in a batch, so that ten thousand logs don't
// hold up those that come singly.
const maxTurn = 2000

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
	queue  []*share      // the oldest first
	queued int           // logs that wait, also those of a share that has its turn
	busy   bool          // it has a goroutine that works
	pace   time.Duration // what writing a batch takes, lately
}

// batch is logs that are written together, in one commit.
type batch struct {
	turns []turn
	logs  []*submittedLog // of all turns
	taken time.Time
}

// turn is what a batch has of a share.
type turn struct {
	share  *share
	logs   []*submittedLog
	waited time.Duration
}

func (l *lane) push(s *share) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued += len(s.logs)
	l.enqueue(s)
	if !l.busy {
		l.busy = true
		go l.work()
	}
}

func (l *lane) enqueue(s *share) {
	s.queued = time.Now()
	l.queue = append(l.queue, s)
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
	for len(l.queue) > 0 && len(next.logs) < l.maxBatch {
		s := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		if s.submission.abandoned.Load() {
			l.queued -= len(s.logs)
			l.drop(s)
		} else {
			l.queued -= next.add(s)
		}
	}
	if len(next.logs) == 0 {
		l.busy = false
		return nil
	}
	l.admission.leave(len(next.logs))
	return next
}

// drop gives up a share that nobody waits for. Its logs get no outcome.
func (l *lane) drop(s *share) {
	l.admission.leave(len(s.logs))
	l.observer.Refused(Failed, len(s.logs))
	if s.submission.release(len(s.logs)) {
		l.admission.callDone()
	}
}

// add gives a share a turn, and returns how many logs it has.
func (b *batch) add(s *share) int {
	n := min(len(s.logs), maxTurn)
	b.turns = append(b.turns, turn{share: s, logs: s.logs[:n], waited: b.taken.Sub(s.queued)})
	b.logs = append(b.logs, s.logs[:n]...)
	s.logs = s.logs[n:]
	return n
}

// settle hands out the outcomes. A share that has logs left goes to the end of the
// queue, behind the calls that came meanwhile.
func (l *lane) settle(written *batch) {
	l.mu.Lock()
	l.keepPace(time.Since(written.taken))
	for _, t := range written.turns {
		if len(t.share.logs) > 0 {
			l.enqueue(t.share)
		}
	}
	l.mu.Unlock()
	for _, t := range written.turns {
		if t.share.submission.settle(t.logs) {
			l.admission.callDone()
		}
	}
}

// keepPace learns how long a batch takes, from the latest the most. It isn't
// learnt per log: a batch takes its time whatever its size.
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
