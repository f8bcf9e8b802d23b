package command

import (
	"sync/atomic"
	"time"

	"learninglog/internal/caller"
)

// submission is the logs of one call while they are being recorded or voided.
type submission struct {
	caller    caller.Caller
	logs      []submittedLog
	left      atomic.Int64  // logs that wait or are being written
	abandoned atomic.Bool   // the caller has gone
	done      chan struct{} // closed when left is 0
}

// void reports whether the call voids logs. All of its logs are voided, or none.
func (s *submission) void() bool { return s.logs[0].void }

// large reports whether the call is one that leaves room to others: see smallCall.
func (s *submission) large() bool { return applicant{s.caller, len(s.logs)}.large() }

// submittedLog is a log with its outcome.
type submittedLog struct {
	change

	outcome  Outcome
	passedOn bool        // the log goes to another lane, and has no outcome yet
	settled  atomic.Bool // the outcome is final, and may be read
}

// share is the part of a submission that waits in one lane, in the submitted order.
// A large share takes several turns, one after the other.
type share struct {
	submission *submission
	logs       []*submittedLog
	queued     time.Time // when it began to wait for its next turn
}

func newSubmission(from caller.Caller, changes []change) *submission {
	s := &submission{caller: from, logs: make([]submittedLog, len(changes)), done: make(chan struct{})}
	for i := range changes {
		s.logs[i].change = changes[i]
	}
	s.left.Store(int64(len(changes)))
	return s
}

// settle makes the outcomes of logs final, and reports whether the submission is
// done.
func (s *submission) settle(logs []*submittedLog) (done bool) {
	for _, log := range logs {
		log.settled.Store(true)
	}
	return s.release(len(logs))
}

// release must be called when that many logs are neither waiting nor being written
// any more. It reports whether the submission is done.
func (s *submission) release(logs int) (done bool) {
	if s.left.Add(-int64(logs)) > 0 {
		return false
	}
	close(s.done)
	return true
}

// outcomes returns an outcome for every log. Logs that aren't settled have Failed
// with err.
func (s *submission) outcomes(err error) []Outcome {
	outcomes := make([]Outcome, len(s.logs))
	for i := range s.logs {
		if log := &s.logs[i]; log.settled.Load() {
			outcomes[i] = log.outcome
		} else {
			outcomes[i] = Outcome{Status: Failed, Err: err}
		}
	}
	return outcomes
}
