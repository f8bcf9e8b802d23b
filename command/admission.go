package command

import (
	"context"
	"errors"
	"sync"
)

// admission bounds how many logs wait to be written, and knows when everything
// that was accepted is done.
type admission struct {
	maxWaiting int

	mu      sync.Mutex
	waiting int           // logs that are accepted and whose turn hasn't come
	open    int           // calls that are accepted and not done
	closed  bool          // accepts nothing more
	changed chan struct{} // closed when there may be room; nil if nobody waits for that
	idle    chan struct{} // closed when nothing is open, and nothing more will be
}

func newAdmission(maxWaiting int) *admission {
	return &admission{maxWaiting: maxWaiting, idle: make(chan struct{})}
}

// accept lets the logs of a call in, or fails.
type accept func(ctx context.Context, logs int) error

// acceptNow fails where there is no room.
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

// acceptPatiently waits for room. If ctx ends first, there was none.
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

// announceChange is called with a.mu held.
func (a *admission) announceChange() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// leave is called when logs don't wait any more.
func (a *admission) leave(logs int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting -= logs
	a.announceChange()
}

// callDone is called when no log of a call is left.
func (a *admission) callDone() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	a.endIfIdle()
}

// endIfIdle is called with a.mu held.
func (a *admission) endIfIdle() {
	if a.closed && a.open == 0 {
		close(a.idle)
	}
}

// close accepts nothing more, and returns how many calls are open.
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
