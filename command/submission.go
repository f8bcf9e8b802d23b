package command

import (
	"sync/atomic"
	"time"
)

// submission is the logs of one call, on their way.
type submission struct {
	entries   []entry
	left      atomic.Int64  // entries that are waiting or being written
	abandoned atomic.Bool   // nobody waits for it any more
	done      chan struct{} // closed when none is left
}

// entry is a log, and what became of it.
type entry struct {
	log     Log
	outcome Outcome
	settled atomic.Bool // the outcome may be read
}

// part is what a lane has of a submission. Its entries are taken in their order,
// some of them only when those before are settled.
type part struct {
	submission *submission
	entries    []*entry
	queued     time.Time
}

func newSubmission(logs []Log) *submission {
	s := &submission{entries: make([]entry, len(logs)), done: make(chan struct{})}
	for i := range logs {
		s.entries[i].log = logs[i]
	}
	s.left.Store(int64(len(logs)))
	return s
}

// settle is called when entries have got their outcomes. It returns whether the
// submission is done.
func (s *submission) settle(entries []*entry) (done bool) {
	for _, e := range entries {
		e.settled.Store(true)
	}
	return s.release(len(entries))
}

// release is called when so many entries don't wait and aren't being written any
// more. It returns whether the submission is done.
func (s *submission) release(entries int) (done bool) {
	if s.left.Add(-int64(entries)) > 0 {
		return false
	}
	close(s.done)
	return true
}

// outcomes returns those of the entries that are settled. The others Failed with err.
func (s *submission) outcomes(err error) []Outcome {
	outcomes := make([]Outcome, len(s.entries))
	for i := range s.entries {
		if e := &s.entries[i]; e.settled.Load() {
			outcomes[i] = e.outcome
		} else {
			outcomes[i] = Outcome{Status: Failed, Err: err}
		}
	}
	return outcomes
}
