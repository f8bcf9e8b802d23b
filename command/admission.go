package command

import (
	"context"
	"errors"
	"sync"
)

// admission limits how many logs wait to be written, and knows when all accepted
// calls are done.
type admission struct {
	maxWaiting int

	mu      sync.Mutex
	waiting int           // accepted logs that are in no batch yet
	open    int           // accepted calls that aren't done
	closed  bool          // no more calls are accepted
	changed chan struct{} // closed when there may be room; nil if nobody waits for room
	idle    chan struct{} // closed after close, when no call is open any more
}

func newAdmission(maxWaiting int) *admission {
	return &admission{maxWaiting: maxWaiting, idle: make(chan struct{})}
}

// accept admits the logs of a call, or fails.
type accept func(ctx context.Context, logs int) error

// acceptNow fails with [ErrFull] if there is no room.
func (a *admission) acceptNow(ctx context.Context, logs int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return ErrStopped
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case a.waiting >= a.maxWaiting:
		return ErrFull
	}
	a.waiting += logs
	a.open++
	return nil
}

// acceptPatiently waits for room. If there is none until ctx ends, it fails with
// [ErrFull].
func (a *admission) acceptPatiently(ctx context.Context, logs int) error {
	for {
		changed := a.nextChange()
		err := a.acceptNow(ctx, logs)
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

func (a *admission) nextChange() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changed == nil {
		a.changed = make(chan struct{})
	}
	return a.changed
}

// announceChange must be called with a.mu held.
func (a *admission) announceChange() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// leave must be called when logs stop waiting.
func (a *admission) leave(logs int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting -= logs
	a.announceChange()
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
	if a.closed && a.open == 0 {
		close(a.idle)
	}
}

// close stops accepting calls, and returns how many are still open.
func (a *admission) close() (open int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.closed = true
		a.announceChange()
		a.endIfIdle()
	}
	return a.open
}

func (a *admission) countWaiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}
