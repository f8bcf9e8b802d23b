package command_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestRecordsAtTheSameTimeShareAnExecution(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	known := newLog(12, today)
	record(t, newRecorder(t, pool), known)
	reused := known
	reused.WordCount++
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
	first := submit(recorder, newLog(1, today))
	store.waitForExecutions(t, 1)

	const callers = 50
	calls := make([]*call, callers)
	for i := range calls {
		switch i % 5 {
		case 3:
			calls[i] = submit(recorder, known)
		case 4:
			calls[i] = submit(recorder, reused)
		default:
			calls[i] = submit(recorder, newLog(i, today))
		}
	}
	waitUntilWaiting(t, recorder, callers)
	store.release()

	assert.Equal(t, command.Recorded, first.only(t).Status)
	for i, caller := range calls {
		outcome := caller.only(t)
		want := command.Recorded
		switch i % 5 {
		case 3:
			want = command.AlreadyRecorded
		case 4:
			want = command.RequestIDReused
		}
		require.Equal(t, want, outcome.Status, "of caller %d: %v", i, outcome.Err)
		assert.Equal(t, caller.logs[0].RequestID, outcome.Log.RequestID, "everyone is told of the own log")
	}
	assert.LessOrEqual(t, len(store.executions()), 3, "%d records took the executions %v", callers+1, store.executions())
	assertNoDrift(t, pool)
}

// The clock of a synctest bubble advances only if somebody waits for a timer.
func TestALoneRecordWaitsForNoTimer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := command.NewRecorderOf(brokenStore{}, command.Config{})
		begun := time.Now()

		outcome := recorder.Record(t.Context(), []command.Log{{RequestID: uuid.New(), UserID: uuid.New()}})[0]

		require.ErrorIs(t, outcome.Err, errBroken, "the database was asked")
		assert.Zero(t, time.Since(begun), "the record waited")
	})
}

// UUIDs of version 1 that were made on one machine all end alike.
func TestUsersWhoseIDsEndAlikeAreDividedAmongTheLanes(t *testing.T) {
	t.Parallel()
	const users, lanes = 100, 3
	store := holdAt(t, pgtest.Pool(t))
	recorder := command.NewRecorderOf(store, command.Config{Lanes: lanes})
	end := uuid.New()
	var calls []*call
	for range users {
		log := newLog(1, today)
		copy(log.UserID[8:], end[8:])
		calls = append(calls, submit(recorder, log))
	}

	store.waitForExecutions(t, lanes) // at the same time

	store.release()
	for _, caller := range calls {
		caller.allRecorded(t)
	}
}

func TestWithAMaxBatchOfOneEveryCallHasACommitOfItsOwn(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{MaxBatch: 1, Lanes: 1})
	calls := []*call{submit(recorder, newLog(1, today))}
	store.waitForExecutions(t, 1)
	for i := range 5 {
		calls = append(calls, submit(recorder, newLog(i, today)))
	}
	calls = append(calls, submit(recorder, newLogs(3)...))
	waitUntilWaiting(t, recorder, 8) // as one batch, if they were allowed to share one

	store.release()

	for _, caller := range calls {
		caller.allRecorded(t)
	}
	sizes := store.executions()
	slices.Sort(sizes)
	assert.Equal(t, []int{1, 1, 1, 1, 1, 1, 3}, sizes, "the logs of each execution are those of one call")
	assertNoDrift(t, pool)
}

func TestWithAMaxBatchOfOneTheLanesSayHowManyCallsAreUnderWay(t *testing.T) {
	t.Parallel()
	const callers, lanes = 100, 3
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{MaxBatch: 1, Lanes: lanes, MaxWaiting: callers})
	var calls []*call
	for i := range callers {
		calls = append(calls, submitWith(from(t.Context(), i), recorder, newLog(1, today)))
	}
	store.waitForExecutions(t, lanes)
	waitUntilWaiting(t, recorder, callers-lanes)
	calls = append(calls, submitWith(from(t.Context(), callers), recorder, newLogs(lanes)...))
	waitUntilWaiting(t, recorder, callers)

	outcome := recorder.Record(t.Context(), newLogs(1))[0]

	assert.ErrorIs(t, outcome.Err, command.ErrFull, "what isn't under way waits, and is counted")
	assert.Len(t, store.executions(), lanes)
	store.release()
	for _, caller := range calls {
		caller.allRecorded(t)
	}
	assert.Zero(t, recorder.Waiting())
	assert.Equal(t, command.Recorded, record(t, recorder, newLog(1, today))[0].Status, "there is room again")
}

func TestTheSameRequestIDFromTwoCallersInOneExecution(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*command.Log)
		want   command.Status
		shown  bool
	}{
		{"the same fields", func(*command.Log) {}, command.AlreadyRecorded, true},
		{"other words", func(l *command.Log) { l.WordCount++ }, command.RequestIDReused, true},
		{"another user, who isn't shown the log", func(l *command.Log) { l.UserID = uuid.New() }, command.RequestIDReused, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if !test.shown {
				needSharedIDs(t)
			}
			pool := pgtest.Pool(t)
			store := holdAt(t, pool)
			recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
			submit(recorder, newLog(1, today))
			store.waitForExecutions(t, 1)
			log := newLog(12, today)
			second := log
			test.change(&second)
			winner := submit(recorder, log)
			waitUntilWaiting(t, recorder, 1)
			loser := submit(recorder, second)
			waitUntilWaiting(t, recorder, 2)

			store.release()

			recorded, judged := winner.only(t), loser.only(t)
			assert.Equal(t, command.Recorded, recorded.Status, "the first one wins")
			assert.Equal(t, test.want, judged.Status)
			if test.shown {
				assert.Equal(t, recorded.Log, judged.Log)
			} else {
				assert.Nil(t, judged.Log)
			}
			assert.Len(t, store.executions(), 2, "both were in one execution: %v", store.executions())
			assertNoDrift(t, pool)
		})
	}
}
