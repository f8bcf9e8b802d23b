package command

import (
	"context"
	"errors"
	"slices"
	"sync"

	"learninglog/internal/caller"
)

// smallCall is the largest number of logs of a small call. Small calls and large ones
// take turns, and large ones leave room to small ones.
const smallCall = 100

// admission limits how many logs wait to be written, and knows when all accepted calls
// are done. Large calls may fill half of the room, so that a log finds room however many
// arrays wait; and a caller may fill half of what all may, so that others find some.
//
// A large call is accepted whatever its size while no other one waits: otherwise it might
// never be.
type admission struct {
	maxWaiting int

	mu      sync.Mutex
	waiting tally                    // accepted logs that are in no batch yet
	callers map[caller.Caller]*tally // those of each caller who has some
	patient []*waiter                // the calls that wait for room, the oldest first
	open    int                      // accepted calls that aren't done
	closed  bool                     // no more calls are accepted
	broken  bool                     // some accepted calls may never be done
	idle    chan struct{}            // closed after close, when no call is open any more
}

// tally counts the logs of small calls and of large ones.
type tally struct{ small, large int }

func (t *tally) add(logs int, large bool) {
	if large {
		t.large += logs
	} else {
		t.small += logs
	}
}

// applicant is the logs of a call that asks for room.
type applicant struct {
	caller caller.Caller
	logs   int
}

func (a applicant) large() bool { return a.logs > smallCall }

// waiter is an applicant who waits for room.
type waiter struct {
	applicant

	context context.Context //nolint:containedctx // of the call that waits
	done    chan struct{}   // closed when it is accepted or refused
	err     error           // why it is refused, or waits
}

func newAdmission(maxWaiting int) *admission {
	return &admission{maxWaiting: maxWaiting, callers: make(map[caller.Caller]*tally), idle: make(chan struct{})}
}

// maxPerCaller returns how many logs of the small calls of one caller may wait.
func (a *admission) maxPerCaller() int { return (a.maxWaiting + 1) / 2 }

// room returns nil if there is room for the applicant, or else what is full. It must be
// called with a.mu held.
func (a *admission) room(who applicant) error {
	fits := func(waiting, most int) bool { return waiting == 0 || waiting+who.logs <= most }
	// No fewer may be left than the caller has: so one may have half, two three quarters.
	left := a.maxWaiting - a.waiting.small
	var own tally
	if waiting := a.callers[who.caller]; waiting != nil {
		own = *waiting
	}
	switch {
	case who.large() && !fits(a.waiting.large, a.maxWaiting/2):
		return ErrFull
	case who.large() && !fits(own.large, a.maxPerCaller()/2):
		return ErrShareFull
	case who.large():
		return nil
	case a.waiting.small > 0 && a.waiting.small+min(a.waiting.large, a.maxWaiting/2) >= a.maxWaiting:
		return ErrFull
	case !fits(own.small, min(a.maxPerCaller(), left)):
		return ErrShareFull
	default:
		return nil
	}
}

// accept admits the logs of a call, or fails.
type accept func(ctx context.Context, logs int) error

// acceptNow fails with [ErrFull] or [ErrShareFull] if there is no room.
func (a *admission) acceptNow(ctx context.Context, logs int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tryAccept(ctx, applicant{caller.Of(ctx), logs})
}

// tryAccept must be called with a.mu held.
func (a *admission) tryAccept(ctx context.Context, who applicant) error {
	switch {
	case a.closed:
		return ErrStopped
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	if err := a.room(who); err != nil {
		return err
	}
	a.open++
	a.count(who.caller, who.logs, who.large())
	return nil
}

// acceptPatiently waits for room, in turn. If there is none until ctx ends, it fails as
// acceptNow.
func (a *admission) acceptPatiently(ctx context.Context, logs int) error {
	w := &waiter{applicant: applicant{caller.Of(ctx), logs}, context: ctx, done: make(chan struct{}), err: ErrFull}
	a.mu.Lock()
	a.patient = append(a.patient, w)
	a.acceptPatient()
	a.mu.Unlock()
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return a.giveUp(w)
	}
}

// giveUp ends the waiting, if it hasn't ended yet.
func (a *admission) giveUp(w *waiter) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.patient, w); i >= 0 {
		a.patient = slices.Delete(a.patient, i, i+1)
		a.acceptPatient() // those behind
	}
	return w.err
}

// acceptPatient accepts those who wait and find room now, the oldest first. Behind one who
// finds none, those of the same size wait too, so that its turn comes: all of them, or only
// those of the same caller, if only their share is taken. It must be called with a.mu held.
func (a *admission) acceptPatient() {
	type queue struct {
		own    bool // of one caller
		caller caller.Caller
		large  bool
	}
	blocked := make(map[queue]bool)
	a.patient = slices.DeleteFunc(a.patient, func(w *waiter) bool {
		all, own := queue{large: w.large()}, queue{own: true, caller: w.caller, large: w.large()}
		if blocked[all] || blocked[own] {
			return false
		}
		w.err = a.tryAccept(w.context, w.applicant)
		switch {
		case errors.Is(w.err, ErrShareFull):
			blocked[own] = true
			return false
		case errors.Is(w.err, ErrFull):
			blocked[all] = true
			return false
		default:
			close(w.done)
			return true
		}
	})
}

// count must be called with a.mu held. The number of logs may be negative.
func (a *admission) count(who caller.Caller, logs int, large bool) {
	own := a.callers[who]
	if own == nil {
		own = new(tally)
		a.callers[who] = own
	}
	own.add(logs, large)
	a.waiting.add(logs, large)
	if *own == (tally{}) {
		delete(a.callers, who)
	}
}

// leave must be called when logs of a submission stop waiting.
func (a *admission) leave(s *submission, logs int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count(s.caller, -logs, s.large())
	a.acceptPatient()
}

// take is leave for the logs of a batch.
func (a *admission) take(turns []turn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range turns {
		s := t.share.submission
		a.count(s.caller, -len(t.logs), s.large())
	}
	a.acceptPatient()
}

// rejoin must be called when logs that had stopped waiting wait again.
func (a *admission) rejoin(s *submission, logs int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count(s.caller, logs, s.large())
}

// callDone must be called when a call has no unfinished logs left.
func (a *admission) callDone() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	a.endIfIdle()
}

// endIfIdle must be called with a.mu held.
func (a *admission) endIfIdle() {
	if a.closed && a.open == 0 && !a.broken {
		close(a.idle)
	}
}

// giveUpAll stops accepting calls, and doesn't wait for those that were accepted, because
// they may never be done.
func (a *admission) giveUpAll() {
	a.close()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open > 0 && !a.broken {
		a.broken = true
		close(a.idle)
	}
}

// close stops accepting calls, and returns how many are still open.
func (a *admission) close() (open int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.closed = true
		a.acceptPatient() // refuses all
		a.endIfIdle()
	}
	if a.broken {
		return 0
	}
	return a.open
}

func (a *admission) countWaiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting.small + a.waiting.large
}
