package command

import "time"

// Observer is told how writing goes. Its methods may be called at the same time.
type Observer interface {
	// Wrote is called for every batch that was written, or that failed, before
	// the calls in it return.
	Wrote(Batch)
	// Refused is called for logs that end without a batch: Invalid ones, and those
	// that Failed before it was their turn.
	Refused(status Status, logs int)
}

// Batch is logs that were written together.
type Batch struct {
	// Logs is how many they were, in how many Calls.
	Logs, Calls int
	// Waited is how long each of the calls waited for its turn: a large one does so
	// once for each part of it.
	Waited []time.Duration
	// Took is how long the database took, with all tries.
	Took time.Duration
	// Retries is how often the batch, or a part of it, was tried again: it lost to
	// another writer, or was split because the database refused a log.
	Retries int
	// Outcomes counts what became of the logs.
	Outcomes map[Status]int
}

func report(b *batch, took time.Duration, retries int) Batch {
	outcomes := make(map[Status]int)
	for _, e := range b.entries {
		outcomes[e.outcome.Status]++
	}
	waited := make([]time.Duration, len(b.chunks))
	for i, c := range b.chunks {
		waited[i] = c.waited
	}
	return Batch{
		Logs:     len(b.entries),
		Calls:    len(b.chunks),
		Waited:   waited,
		Took:     took,
		Retries:  retries,
		Outcomes: outcomes,
	}
}

type nobody struct{}

func (nobody) Wrote(Batch)         {}
func (nobody) Refused(Status, int) {}
