package command_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestASingleRecordPassesABigCall(t *testing.T) {
	t.Parallel()
	const size, few = 10_000, 3
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
	big := submit(recorder, newLogs(size)...)
	store.waitForExecutions(t, 1)
	waiting := recorder.Waiting()
	single := submit(recorder, newLog(1, today))
	waitUntilWaiting(t, recorder, waiting+1)

	store.let(few)

	single.allRecorded(t)
	assert.False(t, big.ended(), "the big call was written first: %v", store.executions())
	store.release()
	big.allRecorded(t)
	assert.Equal(t, size+1, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assertNoDrift(t, pool)
}

// The distance between the logs in the call doesn't matter, nor the number of lanes.
func TestOfARequestIDThatABigCallRepeatsTheFirstWins(t *testing.T) {
	t.Parallel()
	const distinct, repetitions = 1100, 3
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 4})
	for range 3 {
		var calls []*call
		for i := range 3 { // at the same time, so that all lanes are busy
			logs := newLogs(distinct)
			for repetition := 1; repetition < repetitions; repetition++ {
				for _, log := range logs[:distinct] {
					log.WordCount += repetition
					logs = append(logs, log)
				}
			}
			calls = append(calls, submitWith(from(t.Context(), i), recorder, logs...))
		}
		for _, caller := range calls {
			for i, outcome := range caller.wait(t) {
				if i < distinct {
					require.Equal(t, command.Recorded, outcome.Status, "of log %d, the first with its request id: %v", i, outcome.Err)
				} else {
					require.Equal(t, command.RequestIDReused, outcome.Status, "of log %d, a later one with its request id", i)
				}
				require.Equal(t, caller.logs[i%distinct].WordCount, outcome.Log.WordCount)
			}
		}
	}
	assertNoDrift(t, pool)
}

// A single slow batch, for example one that waited for a lock, must not be taken for
// the time per log.
func TestTheBacklogIsThatOfTheBatchesThatWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// slow is the duration of the first batch, which has a single log.
		slow time.Duration
		// waiting is the number of calls that came afterwards, and logs the number
		// of logs in each.
		waiting, logs int
		want          time.Duration
	}{
		{"nothing waits", 8 * time.Second, 0, 0, time.Second},
		{"single logs, that fit into one batch", 16 * time.Second, 900, 1, 2 * time.Second},
		{"single logs, that fit into three", 16 * time.Second, 2100, 1, 6 * time.Second},
		{"what is left of a call that is being written", 16 * time.Second, 1, 7000, 10 * time.Second},
		{"batches that are written at once", 0, 2100, 1, time.Second},
		{"more than anybody should wait for", time.Minute, 10_000, 1, 30 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &slowStore{takes: test.slow}
				recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, Timeout: time.Hour})
				recorder.Record(t.Context(), undated(1)) // counts for an eighth of the average
				store.takes = time.Second
				if test.logs <= 1 {
					submit(recorder, undated(1)...) // the other calls wait for this one
					synctest.Wait()
				}
				for range test.waiting {
					submit(recorder, undated(test.logs)...)
				}
				synctest.Wait()

				assert.Equal(t, test.want, recorder.EstimatedWait())
				require.NoError(t, recorder.Close(t.Context()))
			})
		})
	}
}
