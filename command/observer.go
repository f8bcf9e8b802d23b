package command

import "time"

// Observer is notified of writes. Its methods may be called concurrently.
type Observer interface {
	// Wrote is called for every batch that was written or has failed, before the
	// calls in the batch return.
	Wrote(Batch)
	// Refused is called for logs that were in no batch: those that are Invalid, and
	// those that Failed before their turn came.
	Refused(status Status, logs int)
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
	// Outcomes counts the logs by outcome.
	Outcomes map[Status]int
}

func toBatch(b *batch, took time.Duration, retries int) Batch {
	outcomes := make(map[Status]int)
	for _, log := range b.logs {
		outcomes[log.outcome.Status]++
	}
	waited := make([]time.Duration, len(b.turns))
	for i, t := range b.turns {
		waited[i] = t.waited
	}
	return Batch{
		Logs:     len(b.logs),
		Calls:    len(b.turns),
		Waited:   waited,
		Took:     took,
		Retries:  retries,
		Outcomes: outcomes,
	}
}

type nobody struct{}

func (nobody) Wrote(Batch)         {}
func (nobody) Refused(Status, int) {}
