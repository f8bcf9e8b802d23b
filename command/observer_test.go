package command_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// tally counts the logs that are reported to an observer.
type tally struct {
	mu            sync.Mutex
	batches, logs int
	outcomes      map[command.Status]int
	// lookedUp is how many logs were found when they were looked up, and unknown how many
	// weren't.
	lookedUp, unknown int
}

func (y *tally) Wrote(batch command.Batch) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.batches++
	y.logs += batch.Logs
	for status, logs := range batch.Outcomes {
		y.add(status, logs)
	}
}

func (y *tally) LookedUp(lookup command.Lookup) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.unknown += lookup.Unknown
	for status, logs := range lookup.Outcomes {
		y.lookedUp += logs
		y.add(status, logs)
	}
}

func (y *tally) Refused(status command.Status, logs int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.add(status, logs)
}

func (y *tally) RefusedVoids(logs int) { y.Refused(command.Failed, logs) }

func (y *tally) add(status command.Status, logs int) {
	if y.outcomes == nil {
		y.outcomes = make(map[command.Status]int)
	}
	y.outcomes[status] += logs
}

// soFar returns the number of logs for each outcome.
func (y *tally) soFar() map[command.Status]int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return maps.Clone(y.outcomes)
}

func TestObserverHearsOfEveryLogOnce(t *testing.T) {
	t.Parallel()
	heard := new(tally)
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Observer: heard, Lanes: 1})
	log, other := newLog(1, "2025-11-22T08:30:00Z"), newLog(2, "2025-11-22T08:30:00Z")
	other.UserID = log.UserID // so they are in the same lane
	reused := log
	reused.WordCount++

	record(t, recorder, log, log, reused, newLog(-1, "2025-11-22T08:30:00Z"), other)
	record(t, recorder, newLog(-1, "2025-11-22T08:30:00Z"))
	recorder.CountInvalid(2)
	require.NoError(t, recorder.Close(t.Context()))
	recorder.Record(t.Context(), []command.Log{log, other})

	assert.Equal(t, map[command.Status]int{
		command.Recorded: 2, command.AlreadyRecorded: 1, command.RequestIDReused: 1,
		command.Invalid: 4, command.Failed: 2,
	}, heard.outcomes)
	assert.Equal(t, []int{1, 4}, []int{heard.batches, heard.logs}, "the others never had a batch")
}

// Logs that Failed are reported exactly once, with a batch or without. Those whose
// caller gave up while they were being written have a batch.
func TestObserverHearsOfLogsThatFailed(t *testing.T) {
	t.Parallel()
	heard := new(tally)
	store := newStuck()
	recorder := command.NewRecorderOf(store, command.Config{Observer: heard, Lanes: 1, MaxWaiting: 3})
	log := newLog(1, "2025-11-22T08:30:00Z")
	impatient, giveUp := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	calls.Go(func() { recorder.Record(impatient, []command.Log{log}) })
	<-store.asked // for the first log, which is in a batch
	calls.Go(func() { recorder.Record(impatient, []command.Log{log, log, log}) })
	require.Eventually(t, func() bool { return recorder.Waiting() == 3 }, time.Minute, time.Millisecond)

	recorder.Record(t.Context(), []command.Log{log}) // this log finds no room
	giveUp()
	calls.Wait()

	assert.Equal(t, map[command.Status]int{command.Failed: 1}, heard.outcomes)
	close(store.letGo)
	require.NoError(t, recorder.Close(t.Context()))
	assert.Equal(t, map[command.Status]int{command.Failed: 5}, heard.outcomes)
	assert.Equal(t, []int{1, 1}, []int{heard.batches, heard.logs})
}
