package command

import (
	"context"
	"sync"
	"time"
)

// maxTurn is the largest number of logs of one call in a batch, so that a call with
// ten thousand logs doesn't delay calls with a single log.
const maxTurn = 2000

// lane writes one batch at a time. A call to an idle lane is written at once. What
// is submitted while a batch is being written forms the next batch.
type lane struct {
	// context applies to all writes of the lane: a batch must outlive the calls in
	// it.
	context   context.Context //nolint:containedctx // see above
	writer    *writer
	maxBatch  int
	admission *admission
	observer  Observer

	mu        sync.Mutex
	queue     []*share      // the oldest first
	queued    int           // waiting logs, including the rest of a share that is in the current batch
	busy      bool          // a goroutine is working for this lane
	batchTime time.Duration // moving average of the time per batch
}

// batch is logs that are written together, in one commit.
type batch struct {
	turns []turn
	logs  []*submittedLog // the logs of all turns
	taken time.Time
	// touched has the keys of all logs that the batch records, voids or replaces, if it
	// doesn't only record, and whether it voids them.
	touched map[logKey]bool
}

// turn is the logs of a share that are in one batch.
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

// work writes batches until nothing is left to write.
func (l *lane) work() {
	for next := l.take(); next != nil; next = l.take() {
		l.writer.write(l.context, next)
		l.settle(next)
	}
}

// take returns the next batch. If there is none, it returns nil and the lane becomes
// idle.
func (l *lane) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &batch{taken: time.Now()}
	var later []*share // whose first log must wait for the next batch
	for len(l.queue) > 0 && len(next.logs) < l.maxBatch {
		s := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		if s.submission.abandoned.Load() {
			l.queued -= len(s.logs)
			l.drop(s)
			continue
		}
		added := next.add(s)
		l.queued -= added
		if added == 0 {
			later = append(later, s)
		}
	}
	if later != nil {
		l.queue = append(later, l.queue...)
	}
	if len(next.logs) == 0 {
		l.busy = false
		return nil
	}
	l.admission.leave(len(next.logs))
	return next
}

// drop discards a share whose caller has gone. Its logs get no outcome.
func (l *lane) drop(s *share) {
	l.admission.leave(len(s.logs))
	countFailed(l.observer, s.submission, len(s.logs))
	if s.submission.release(len(s.logs)) {
		l.admission.callDone()
	}
}

// add adds a turn of the share to the batch, and returns the number of its logs. That is
// 0 if the first one must not be written together with the logs of the batch.
func (b *batch) add(s *share) int {
	n := 0
	for n < min(len(s.logs), maxTurn) && b.admit(s.logs[n]) {
		b.logs = append(b.logs, s.logs[n])
		n++
	}
	if n > 0 {
		b.turns = append(b.turns, turn{share: s, logs: s.logs[:n], waited: b.taken.Sub(s.queued)})
		s.logs = s.logs[n:]
	}
	return n
}

// admit reports whether a log may be written in one statement with those of the batch,
// and takes note of it. A statement has no order, so a log that is voided must not be
// touched by another log of the batch, except by one that voids it too.
func (b *batch) admit(log *submittedLog) bool {
	target, voids := log.voids()
	if b.touched == nil && !voids {
		return true
	}
	if b.touched == nil {
		b.touched = make(map[logKey]bool)
		for _, other := range b.logs {
			b.touched[other.key()] = false
		}
	}
	isVoided, touched := b.touched[log.key()]
	if log.void && isVoided {
		return true
	}
	if _, targetTouched := b.touched[target]; touched || targetTouched {
		return false
	}
	b.touched[log.key()] = log.void
	if voids && !log.void {
		b.touched[target] = false
	}
	return true
}

// settle hands out the outcomes. Shares with logs left go to the end of the queue,
// behind calls that came meanwhile.
func (l *lane) settle(written *batch) {
	l.mu.Lock()
	l.updateBatchTime(time.Since(written.taken))
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

// updateBatchTime updates the moving average of the time per batch. It is not measured
// per log, because a batch takes about the same time whatever its size.
func (l *lane) updateBatchTime(took time.Duration) {
	const weight = 8
	l.batchTime += (took - l.batchTime) / weight
}

// backlog returns about how long it takes to write all waiting logs.
func (l *lane) backlog() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	batches := (l.queued + l.maxBatch - 1) / l.maxBatch
	return l.batchTime * time.Duration(batches)
}
