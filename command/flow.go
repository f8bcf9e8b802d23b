package command

import (
	"slices"
	"time"

	"learninglog/internal/caller"
)

const (
	// maxTurn is the largest number of logs of one call in a batch, so that a call with
	// ten thousand logs doesn't delay calls with a single log.
	maxTurn = 2000
	// sharedTurn is the largest number of logs of one flow in a batch while there are
	// others. A batch with as many takes hardly longer than one with a single log, so that
	// whatever one flow submits doesn't delay another. With two lanes, it is still tens of
	// thousands of logs a second.
	sharedTurn = 20
	// flowLife is how long a flow without logs is still taken into account, because more
	// of its logs may be on their way.
	flowLife = time.Second
)

// flow is the small calls of a caller in a lane, or the large ones. The flows of a lane
// take turns.
type flow struct {
	name   flowName
	shares []*share // the oldest first
	last   time.Time
}

type flowName struct {
	caller caller.Caller
	large  bool
}

// flows are the waiting logs of a lane.
type flows struct {
	named map[flowName]*flow
	turns []*flow // the next first
}

func newFlows() flows { return flows{named: make(map[flowName]*flow)} }

func (f *flows) push(s *share) {
	name := flowName{s.submission.caller, s.submission.large()}
	of := f.named[name]
	if of == nil {
		of = &flow{name: name}
		f.named[name] = of
		f.turns = append(f.turns, of)
	}
	s.queued = time.Now()
	of.last = s.queued
	of.shares = append(of.shares, s)
}

// forget drops the flows that have had no logs for some time.
func (f *flows) forget(now time.Time) {
	f.turns = slices.DeleteFunc(f.turns, func(of *flow) bool {
		idle := len(of.shares) == 0 && now.Sub(of.last) > flowLife
		if idle {
			delete(f.named, of.name)
		}
		return idle
	})
}

// round visits each flow once, in turn, until visit returns false. The next round begins
// with the flow after the last that was visited.
func (f *flows) round(visit func(*flow) (goOn bool)) {
	for range len(f.turns) {
		first := f.turns[0]
		f.turns = append(f.turns[1:], first)
		if !visit(first) {
			return
		}
	}
}

// turn returns how many logs of a share, and how many of a flow, a batch may have.
func (f *flows) turn(maxBatch int) (ofShare, ofFlow int) {
	if len(f.turns) == 1 {
		return maxTurn, maxBatch
	}
	return sharedTurn, sharedTurn
}
