package command

import "time"

// Observer is told how writing goes. Its methods may be called at the same time.
type Observer interface {
	// Wrote is called for every batch that was written, or that failed, before
	// the calls in it return.
	Wrote(Batch)
	// Refused is called for logs that were in no batch: those that are Invalid, and
	// those that Failed before their turn came.
	Refused(status Status, logs int)
}

// Batch is logs that were written together.
type Batch struct {
	// Logs is how many they were, in how many Calls.
	Logs, Calls int
	// Waited is how long each of the calls waited for its turn. A large one waits
	// once for each batch that it has logs in.
	Waited []time.Duration
	// Took is how long the database took, with all tries.
	Took time.Duration
	// Retries is how often the batch, or some of its logs, were tried again: because
	// another writer was in the way, or because the database refused a log.
	Retries int
	// Outcomes counts what became of the logs.
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
