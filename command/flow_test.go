package command_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// While two callers take turns, each has from 20 logs to half of MaxBatch in a batch.
const maxBatch, leastTurn, mostTurn = 60, 20, 30

func TestCallersTakeTurnsInALane(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, MaxBatch: maxBatch})
	first := submitWith(from(t.Context(), 1), recorder, newLog(1, today))
	store.waitForExecutions(t, 1)
	var flood []*call
	for range 5 * leastTurn {
		flood = append(flood, submitWith(from(t.Context(), 1), recorder, newLog(1, today)))
	}
	waitUntilWaiting(t, recorder, len(flood))
	other := submitWith(from(t.Context(), 2), recorder, newLog(1, today))
	waitUntilWaiting(t, recorder, len(flood)+1)

	store.let(1)
	first.allRecorded(t)
	store.waitForExecutions(t, 2)
	assert.GreaterOrEqual(t, store.executions()[1], leastTurn+1, "a turn of each")
	assert.LessOrEqual(t, store.executions()[1], mostTurn+1, "a turn of each")
	store.let(1)

	other.allRecorded(t)
	store.release()
	for _, call := range flood {
		call.allRecorded(t)
	}
	assertNoDrift(t, pool)
}

// The turns of large calls are small while the same caller also submits small ones.
func TestLargeCallsTakeSmallTurnsBesideSmallOnes(t *testing.T) {
	t.Parallel()
	const size = 1000
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, MaxBatch: maxBatch})
	first := submit(recorder, newLog(1, today))
	store.waitForExecutions(t, 1)
	large := submit(recorder, newLogs(size)...)
	waitUntilWaiting(t, recorder, size)

	store.let(1)
	first.allRecorded(t)
	store.waitForExecutions(t, 2)
	store.release()
	large.allRecorded(t)

	assert.LessOrEqual(t, store.executions()[1], mostTurn, "small calls were there a moment ago, and may come back")
	assertNoDrift(t, pool)
}

func TestALoneLargeCallIsWrittenInLargeTurns(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	store.release()
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})

	submit(recorder, newLogs(5000)...).allRecorded(t)

	assert.Equal(t, []int{2000, 2000, 1000}, store.executions())
}

// A batch that is full ends a round, and the next batch goes on with it, so nobody is left
// out.
func TestEveryFlowHasItsTurnSoon(t *testing.T) {
	t.Parallel()
	const callers = 30
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, MaxBatch: 10})
	first := submit(recorder, newLog(1, today))
	store.waitForExecutions(t, 1)
	var calls []*call
	for i := range callers {
		calls = append(calls, submitWith(from(t.Context(), i), recorder, newLogs(2)...))
		waitUntilWaiting(t, recorder, 2*(i+1))
	}

	store.let(1)
	first.allRecorded(t)
	for i := range callers / 5 { // as many fit into a batch
		store.let(1)
		for _, call := range calls[5*i : 5*(i+1)] {
			call.allRecorded(t)
		}
	}
	require.NoError(t, recorder.Close(t.Context()))
}
