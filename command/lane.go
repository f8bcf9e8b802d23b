package command

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"learninglog/internal/panics"
)

// lane writes one batch at a time. A call to an idle lane is written at once. What
// is submitted while a batch is being written forms the next batch.
type lane struct {
	// context applies to all writes of the lane: a batch must outlive the calls in
	// it.
	context context.Context //nolint:containedctx // see above
	// process gives every log of a batch an outcome, or passes it on.
	process   func(context.Context, *batch)
	maxBatch  int
	admission *admission
	observer  Observer
	logger    *slog.Logger
	broken    func(error) // is called when the lane can't go on
	// passOn gets the logs that are passed on, to other lanes.
	passOn func(*submission, []*submittedLog)
	// aside has the lanes of users whose rows somebody keeps locked. It is nil in such a
	// lane, which calls whenIdle instead, and in the lane of look-ups.
	aside    *asides
	whenIdle func()

	mu        sync.Mutex
	flows     flows
	queued    int           // waiting logs, including the rest of a share that is in the current batch
	busy      bool          // a goroutine is working for this lane
	failed    bool          // the last batch has logs that Failed
	batchTime time.Duration // moving average of the time per batch
}

// batch is logs that are written together, in one commit.
type batch struct {
	turns []turn
	logs  []*submittedLog // the logs of all turns
	taken time.Time
	// passedOn says that some of the logs are.
	passedOn bool
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
	l.flows.push(s)
	if !l.busy {
		l.busy = true
		go l.run()
	}
}

func (l *lane) run() {
	if err := panics.Caught(l.work); err != nil {
		l.broken(err)
	}
}

// work writes batches until nothing is left to write.
func (l *lane) work() {
	for l.writeNext() {
	}
	if l.whenIdle != nil {
		l.whenIdle()
	}
}

// writeNext writes a batch, or returns false if there is none.
func (l *lane) writeNext() bool {
	next := l.take()
	if next == nil {
		return false
	}
	l.write(next)
	l.settle(next)
	return true
}

func (l *lane) working() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.busy
}

func (l *lane) failing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// write gives every log of a batch an outcome, or passes it on. A panic fails the logs
// that have none by then, and the lane goes on.
func (l *lane) write(b *batch) {
	err := panics.Caught(func() { l.process(l.context, b) })
	if err == nil {
		return
	}
	l.logger.ErrorContext(l.context, "writing a batch panicked", slog.Any("error", err), slog.Int("logs", len(b.logs)))
	for _, log := range b.logs {
		if log.outcome.Status == "" && !log.passedOn {
			log.outcome = Outcome{Status: Failed, Err: errPanicked}
		}
	}
	l.observer.Wrote(toBatch(b, time.Since(b.taken), 0))
}

// errPanicked means that there is a bug in the program, and that it is unknown whether
// the log was recorded.
var errPanicked = errors.New("writing a batch panicked")

// take returns the next batch. If there is none, it returns nil and the lane becomes
// idle.
func (l *lane) take() *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &batch{taken: time.Now()}
	l.flows.forget(next.taken)
	l.flows.round(func(f *flow) bool {
		l.fill(next, f)
		return len(next.logs) < l.maxBatch
	})
	if len(next.logs) == 0 {
		l.busy = false
		return nil
	}
	l.admission.take(next.turns)
	return next
}

// fill adds a turn of the flow to the batch.
func (l *lane) fill(next *batch, f *flow) {
	ofShare, ofFlow := l.flows.turn(l.maxBatch, l.batchTime)
	var later []*share // whose first log must wait for the next batch
	for taken := 0; len(f.shares) > 0 && taken < ofFlow && len(next.logs) < l.maxBatch; {
		s := f.pop()
		if s.submission.abandoned.Load() {
			l.queued -= len(s.logs)
			l.drop(s)
			continue
		}
		l.queued -= l.aside.divert(s)
		if len(s.logs) == 0 {
			continue
		}
		added := next.add(s, ofShare)
		l.queued -= added
		taken += added
		if added == 0 {
			later = append(later, s)
		}
	}
	f.pushFront(later)
}

// drop discards a share whose caller has gone. Its logs get no outcome.
func (l *lane) drop(s *share) {
	l.admission.leave(s.submission, len(s.logs))
	countFailed(l.observer, s.submission, len(s.logs))
	if s.submission.release(len(s.logs)) {
		l.admission.callDone()
	}
}

// add adds at most that many logs of the share to the batch, and returns their number.
// That is 0 if the first one must not be written together with the logs of the batch.
func (b *batch) add(s *share, most int) int {
	n := 0
	for n < min(len(s.logs), most) && b.admit(s.logs[n]) {
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

// settle hands out the outcomes. What is left of shares goes to the end of the queue,
// behind calls that came meanwhile.
func (l *lane) settle(written *batch) {
	l.putBack(written)
	for _, t := range written.turns {
		settled := t.logs
		if written.passedOn {
			settled = l.hand(t)
		}
		if len(settled) > 0 && t.share.submission.settle(settled) {
			l.admission.callDone()
		}
	}
}

// hand passes on those logs of a turn for which that was decided, and returns the others.
func (l *lane) hand(t turn) []*submittedLog {
	settled, passedOn := split(t.logs, func(log *submittedLog) bool { return log.passedOn })
	if len(passedOn) == 0 {
		return settled
	}
	for _, log := range passedOn {
		log.passedOn = false
	}
	l.admission.rejoin(t.share.submission, len(passedOn))
	l.passOn(t.share.submission, passedOn)
	return settled
}

// putBack queues what is left of the shares of a batch.
func (l *lane) putBack(written *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.updateBatchTime(time.Since(written.taken))
	l.failed = slices.ContainsFunc(written.logs, func(log *submittedLog) bool { return log.outcome.Status == Failed })
	for _, t := range written.turns {
		if len(t.share.logs) > 0 {
			l.flows.push(t.share)
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
	return l.batchTime * time.Duration(l.flows.batches(l.maxBatch, l.batchTime, l.queued))
}
