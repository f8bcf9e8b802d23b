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
	// sharedTurn is how many logs of one flow a batch may always have while there are
	// others. A batch with as many takes hardly longer than one with a single log, so that
	// whatever one flow submits doesn't delay another. Where a batch takes long anyway,
	// because a commit does, flows may have more logs in it together: one for each timePerLog.
	// A log takes a third of that.
	sharedTurn = 20
	timePerLog = 100 * time.Microsecond
	// flowLife is how long a flow without logs is still taken into account, because more
	// of its logs may be on their way.
	flowLife = time.Second
)

// flow is the small calls of a caller in a lane, or the large ones. The flows of a lane
// take turns.
type flow struct {
	name   flowName
	shares []*share // the oldest first
	logs   int      // in shares
	last   time.Time
}

func (f *flow) pop() *share {
	first := f.shares[0]
	f.shares[0] = nil
	f.shares = f.shares[1:]
	f.logs -= len(first.logs)
	return first
}

// pushFront puts shares back in front of the others.
func (f *flow) pushFront(shares []*share) {
	if len(shares) == 0 {
		return
	}
	for _, s := range shares {
		f.logs += len(s.logs)
	}
	f.shares = append(shares, f.shares...)
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
	of.logs += len(s.logs)
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

// turn returns how many logs of a share, and how many of a flow, a batch may have. batchTime
// is how long a batch takes.
func (f *flows) turn(maxBatch int, batchTime time.Duration) (ofShare, ofFlow int) {
	if len(f.turns) <= 1 {
		return maxTurn, maxBatch
	}
	turn := max(sharedTurn, min(maxBatch, int(batchTime/timePerLog))/len(f.turns))
	return turn, turn
}

// batches returns in how many batches the last of that many waiting logs is written.
func (f *flows) batches(maxBatch int, batchTime time.Duration, waiting int) int {
	batches := (waiting + maxBatch - 1) / maxBatch
	if len(f.turns) <= 1 {
		return batches
	}
	_, turn := f.turn(maxBatch, batchTime)
	for _, flow := range f.turns {
		batches = max(batches, (flow.logs+turn-1)/turn)
	}
	return batches
}
