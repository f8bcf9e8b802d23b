package command

import (
	"time"

	"github.com/google/uuid"
)

// Observer is notified of writes. Its methods may be called concurrently.
type Observer interface {
	// Wrote is called for every batch that was written or has failed, before the
	// calls in the batch return.
	Wrote(Batch)
	// LookedUp is called for every batch of logs that were looked up because they are
	// probably recorded, before the calls in the batch return.
	LookedUp(Lookup)
	// Refused is called for logs to record that were in no batch: those that are
	// Invalid or TooOld, and those that Failed before their turn came.
	Refused(status Status, logs int)
	// RefusedVoids is called for logs to void that Failed before their turn came.
	RefusedVoids(logs int)
}

// Batch describes a batch of logs that was written in one commit.
type Batch struct {
	// Logs is the number of logs, and Calls the number of calls that they come from.
	Logs, Calls int
	// Waited is how long each of the calls waited for this batch. A large call waits
	// once for each batch that has some of its logs.
	Waited []time.Duration
	// Took is how long the database took, including all retries.
	Took time.Duration
	// Retries is how often the batch or a part of it was tried again, after a
	// conflict with another writer or because the database refused a log.
	Retries int
	// Outcomes counts the logs to record by outcome.
	Outcomes map[Status]int
	// Voids counts the logs to void by outcome. A log that was replaced is among them,
	// as Voided.
	Voids map[Status]int
}

// Lookup describes a batch of logs that were looked up.
type Lookup struct {
	// Outcomes counts those that were recorded, by outcome, and those of erased users.
	Outcomes map[Status]int
	// Unknown is the number of the others. Those are written, in other batches.
	Unknown int
	// Err says why all are Unknown, if the look-up failed.
	Err error
}

func toBatch(b *batch, took time.Duration, retries int) Batch {
	outcomes, voids := make(map[Status]int), make(map[Status]int)
	settled := 0
	for _, log := range b.logs {
		if log.passedOn {
			continue
		}
		settled++
		status := log.outcome.Status
		if log.void {
			voids[status]++
			continue
		}
		outcomes[status]++
		if log.Replaces != uuid.Nil && status == Recorded {
			voids[Voided]++
		}
	}
	waited := make([]time.Duration, len(b.turns))
	for i, t := range b.turns {
		waited[i] = t.waited
	}
	return Batch{
		Logs:     settled,
		Calls:    len(b.turns),
		Waited:   waited,
		Took:     took,
		Retries:  retries,
		Outcomes: outcomes,
		Voids:    voids,
	}
}

type nobody struct{}

func (nobody) Wrote(Batch)         {}
func (nobody) LookedUp(Lookup)     {}
func (nobody) Refused(Status, int) {}
func (nobody) RefusedVoids(int)    {}

// countFailed tells the observer that some logs of a submission Failed before their turn
// came.
func countFailed(observer Observer, s *submission, logs int) {
	if s.void() {
		observer.RefusedVoids(logs)
	} else {
		observer.Refused(Failed, logs)
	}
}
