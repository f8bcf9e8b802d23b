package command

import (
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// maxAside is for how many users of a lane logs are written aside at the same time: each
// takes a connection.
const maxAside = 2

// asides are lanes for single users of another lane, whose logs or rollup rows somebody
// keeps locked. They wait for the lock there, so that nobody else does. A user's logs stay
// in order: once a user has a lane aside, all later logs go there too, until it is idle.
type asides struct {
	newLane func() *lane

	some  atomic.Bool // whether there are any
	mu    sync.Mutex
	lanes map[uuid.UUID]*lane
}

func newAsides(newLane func() *lane) *asides {
	return &asides{newLane: newLane, lanes: make(map[uuid.UUID]*lane)}
}

// room returns how many more users may be set aside.
func (a *asides) room() int {
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	room := maxAside
	for _, l := range a.lanes {
		if l.working() {
			room--
		}
	}
	return room
}

// divert moves the logs of a share whose users are set aside to their lanes, and returns
// how many these were.
func (a *asides) divert(s *share) int {
	if a == nil || !a.some.Load() {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	stay, diverted := split(s.logs, func(log *submittedLog) bool { return a.lanes[log.UserID] != nil })
	s.logs = stay
	a.push(s.submission, diverted)
	return len(diverted)
}

// take sets logs aside.
func (a *asides) take(s *submission, logs []*submittedLog) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.push(s, logs)
}

// split returns the logs of which a condition doesn't hold, and those of which it does,
// in their order.
func split(logs []*submittedLog, holds func(*submittedLog) bool) (others, those []*submittedLog) {
	for i, log := range logs {
		switch {
		case holds(log):
			if those == nil {
				others = append([]*submittedLog(nil), logs[:i]...)
			}
			those = append(those, log)
		case those != nil:
			others = append(others, log)
		}
	}
	if those == nil {
		return logs, nil
	}
	return others, those
}

// push queues logs in the lanes of their users, and opens those that are missing. It must
// be called with a.mu held.
func (a *asides) push(s *submission, logs []*submittedLog) {
	for len(logs) > 0 {
		user := logs[0].UserID
		others, theirs := split(logs, func(log *submittedLog) bool { return log.UserID == user })
		if a.lanes[user] == nil {
			a.open(user)
		}
		a.lanes[user].push(&share{submission: s, logs: theirs})
		logs = others
	}
}

// open opens a lane for a user. If there are too many, it forgets one that is idle. It
// must be called with a.mu held.
func (a *asides) open(user uuid.UUID) {
	for other, l := range a.lanes {
		if len(a.lanes) >= maxAside && !l.working() {
			delete(a.lanes, other)
		}
	}
	l := a.newLane()
	l.whenIdle = func() { a.close(user, l) }
	a.lanes[user] = l
	a.some.Store(true)
}

// close forgets a lane that is idle, unless its logs have just failed: then the lock is
// probably still there when they are sent again.
func (a *asides) close(user uuid.UUID, l *lane) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lanes[user] == l && !l.working() && !l.failing() {
		delete(a.lanes, user)
		a.some.Store(len(a.lanes) > 0)
	}
}
