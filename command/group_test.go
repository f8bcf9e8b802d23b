package command_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

const today = "2026-11-22T08:00:00Z"

func TestRecordsAtTheSameTimeShareAnExecution(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	known := newLog(12, today)
	record(t, newRecorder(pool), known)
	reused := known
	reused.WordCount++
	store := holdAt(pool)
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

// The clock of a synctest bubble goes on only where somebody waits for a timer.
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

// As UUIDs of version 1 do, that were made on one machine.
func TestUsersWhoseIDsEndAlikeAreDividedAmongTheLanes(t *testing.T) {
	t.Parallel()
	const users, lanes = 100, 3
	store := holdAt(pgtest.Pool(t))
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
	store := holdAt(pool)
	recorder := command.NewRecorderOf(store, command.Config{MaxBatch: 1, Lanes: 1})
	calls := []*call{submit(recorder, newLog(1, today))}
	store.waitForExecutions(t, 1)
	for i := range 5 {
		calls = append(calls, submit(recorder, newLog(i, today)))
	}
	calls = append(calls, submit(recorder, newLogs(3)...))
	waitUntilWaiting(t, recorder, 8) // together, if they were to share one

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
	store := holdAt(pool)
	recorder := command.NewRecorderOf(store, command.Config{MaxBatch: 1, Lanes: lanes, MaxWaiting: callers})
	var calls []*call
	for range callers {
		calls = append(calls, submit(recorder, newLog(1, today)))
	}
	store.waitForExecutions(t, lanes)
	waitUntilWaiting(t, recorder, callers-lanes)
	calls = append(calls, submit(recorder, newLogs(lanes)...))
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
			pool := pgtest.Pool(t)
			store := holdAt(pool)
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

func TestALogThatTheDatabaseRefusesFailsAlone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	full := newLog(1, today)
	record(t, newRecorder(pool), full)
	_, err := pool.Exec(t.Context(), `
		UPDATE learning_log_aggregates SET total_word_count = 9223372036854775807 WHERE granularity = 'day'`)
	require.NoError(t, err)
	ofFullDay := func() command.Log {
		log := newLog(1, today)
		log.UserID = full.UserID
		return log
	}
	ofAnotherDay := ofFullDay()
	ofAnotherDay.Timestamp = ofAnotherDay.Timestamp.AddDate(0, 0, -1)
	store := holdAt(pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
	blocker := submit(recorder, newLog(1, today))
	store.waitForExecutions(t, 1)

	refused := submit(recorder, ofFullDay())
	neighbours := []*call{blocker, submit(recorder, ofAnotherDay)}
	for i := range 20 {
		neighbours = append(neighbours, submit(recorder, newLog(i, today)))
	}
	mixed := submit(recorder, newLog(1, today), ofFullDay(), newLog(2, today), ofFullDay(), newLog(3, today))
	waitUntilWaiting(t, recorder, 27)
	store.release()

	for _, neighbour := range neighbours {
		neighbour.allRecorded(t)
	}
	assert.Equal(t, 27, store.executions()[1], "they were in one execution: %v", store.executions())
	outcome := refused.only(t)
	assert.Equal(t, command.Failed, outcome.Status)
	refusal, ok := errors.AsType[*pgconn.PgError](outcome.Err)
	require.True(t, ok, "the database's own error: %v", outcome.Err)
	assert.Equal(t, pgerrcode.NumericValueOutOfRange, refusal.Code)
	assert.Equal(t,
		[]command.Status{command.Recorded, command.Failed, command.Recorded, command.Failed, command.Recorded},
		statuses(mixed.wait(t)))
	require.Len(t, pgtest.Drift(t, pool, time.UTC), 1, "only in the row that was set wrong")
	_, err = pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 1 WHERE total_word_count > 1000000000`)
	require.NoError(t, err)
	assertNoDrift(t, pool)
	assert.Equal(t, command.Recorded, record(t, recorder, refused.logs[0])[0].Status, "now that there is room")
	assertNoDrift(t, pool)
}

func TestACallerWhoseContextEndsIsToldAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// busy: another log is being written, so that the caller's own waits.
		busy bool
	}{
		{"while the log waits", true},
		{"while the log is being written", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			store := holdAt(pool)
			recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
			log, impatience := newLog(12, today), errors.New("the caller is impatient")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if test.busy {
				submit(recorder, newLog(1, today))
				store.waitForExecutions(t, 1)
			}
			caller := submitWith(ctx, recorder, log)
			if test.busy {
				waitUntilWaiting(t, recorder, 1)
			} else {
				store.waitForExecutions(t, 1)
			}

			cancel(impatience)
			outcome := caller.only(t) // although the database hasn't answered

			assert.Equal(t, command.Failed, outcome.Status)
			assert.ErrorIs(t, outcome.Err, impatience)
			store.release()
			again := record(t, recorder, log)[0]
			if test.busy {
				assert.Equal(t, command.Recorded, again.Status, "a log that nobody waited for any more was not written")
			}
			assert.Contains(t, []command.Status{command.Recorded, command.AlreadyRecorded}, again.Status)
			assert.Equal(t, log.RequestID, again.Log.RequestID)
			assert.Equal(t, 12, wordsOf(t, pool, log.UserID), "it is counted once")
			assertNoDrift(t, pool)
		})
	}
}

func TestTheLogsOfACallerThatIsGoneTakeNoRoom(t *testing.T) {
	t.Parallel()
	heard := new(tally)
	store := newStuck()
	recorder := command.NewRecorderOf(store, command.Config{Observer: heard, Lanes: 1})
	submit(recorder, newLog(1, today))
	<-store.asked // so that others would wait
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller is gone"))

	for _, outcome := range recorder.Record(gone, newLogs(2)) {
		assert.Equal(t, command.Failed, outcome.Status)
		assert.ErrorIs(t, outcome.Err, context.Cause(gone))
	}

	assert.Zero(t, recorder.Waiting())
	assert.Equal(t, map[command.Status]int{command.Failed: 2}, heard.soFar())
	close(store.letGo)
	require.NoError(t, recorder.Close(t.Context()))
	assert.Equal(t, 1, heard.batches, "nobody asked for theirs")
}

// Whether a broken connection had committed before it broke, nobody knows.
func TestABrokenConnectionFailsEveryCallerOfItsExecution(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		breaks func(*heldStore)
		again  command.Status
	}{
		{"before the execution", (*heldStore).breakBefore, command.Recorded},
		{"after the commit", (*heldStore).breakAfter, command.AlreadyRecorded},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			store := holdAt(pool)
			recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
			blocker := submit(recorder, newLog(1, today))
			store.waitForExecutions(t, 1)
			var calls []*call
			for i := range 10 {
				calls = append(calls, submit(recorder, newLog(i, today)))
			}
			waitUntilWaiting(t, recorder, len(calls))
			store.let(1)
			blocker.allRecorded(t)
			store.waitForExecutions(t, 2)

			test.breaks(store)
			store.release()

			for _, caller := range calls {
				outcome := caller.only(t)
				assert.Equal(t, command.Failed, outcome.Status, "it can't be known to be recorded")
				assert.ErrorIs(t, outcome.Err, io.ErrUnexpectedEOF)
			}
			assert.Equal(t, []int{1, 10}, store.executions(), "what may have been committed isn't tried again")
			for _, caller := range calls {
				log := caller.logs[0]
				assert.Equal(t, test.again, record(t, recorder, log)[0].Status, "recording it again tells")
				assert.Equal(t, log.WordCount, wordsOf(t, pool, log.UserID), "it is counted once")
			}
			assertNoDrift(t, pool)
		})
	}
}

func TestCloseWritesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
	accepted := []*call{submit(recorder, newLog(1, today))}
	store.waitForExecutions(t, 1)
	for i := range 30 {
		accepted = append(accepted, submit(recorder, newLog(i, today)))
	}
	waitUntilWaiting(t, recorder, 30)

	type closing struct {
		err    error
		stored int
	}
	closed := make(chan closing, 1)
	go func() {
		err := recorder.Close(context.Background())
		closed <- closing{err, scan[int](t, pool, `SELECT count(*) FROM learning_log`)}
	}()
	waitUntilStopped(t, recorder)
	store.release()

	for _, caller := range accepted {
		caller.allRecorded(t)
	}
	assert.Equal(t, closing{nil, 31}, <-closed, "when it returns everything is stored")
	late := recorder.Record(t.Context(), []command.Log{newLog(1, today), newLog(2, today)})
	for _, outcome := range late {
		assert.Equal(t, command.Failed, outcome.Status)
		assert.ErrorIs(t, outcome.Err, command.ErrStopped)
	}
	assert.NoError(t, recorder.Close(t.Context()), "closing again is harmless")
	assertNoDrift(t, pool)
}

func TestCloseFailsWhatIsLeftWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, Timeout: time.Hour})
	calls := []*call{submit(recorder, newLog(1, today))}
	store.waitForExecutions(t, 1)
	for i := range 30 {
		calls = append(calls, submit(recorder, newLog(i, today)))
	}
	waitUntilWaiting(t, recorder, 30)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	closed := make(chan error, 1)
	go func() { closed <- recorder.Close(ctx) }()

	select {
	case err := <-closed: // although the database never answers
		assert.ErrorIs(t, err, context.Canceled)
	case <-time.After(eventually):
		require.FailNow(t, "the recorder isn't closed")
	}
	for _, caller := range calls {
		outcome := caller.only(t)
		assert.Equal(t, command.Failed, outcome.Status)
		assert.Error(t, outcome.Err)
	}
	assert.Zero(t, recorder.Waiting())
	assert.Zero(t, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
}

func TestCloseOfAnIdleRecorderNeedsNoTime(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 { // whether it is idle or out of time must not be left to chance
		require.NoError(t, command.NewRecorderOf(brokenStore{}, command.Config{}).Close(ctx), "nothing is left")
	}
}

func TestMaxWaitingTurnsFurtherCallsAway(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, MaxWaiting: 10})
	accepted := []*call{submit(recorder, newLog(1, today))}
	store.waitForExecutions(t, 1)
	for i := range 8 {
		accepted = append(accepted, submit(recorder, newLog(i, today)))
	}
	waitUntilWaiting(t, recorder, 8)
	accepted = append(accepted, submit(recorder, newLogs(25)...)) // or else so many might never find room
	waitUntilWaiting(t, recorder, 33)

	late := newLogs(2)
	for range 100 {
		for _, outcome := range recorder.Record(t.Context(), late) {
			require.Equal(t, command.Failed, outcome.Status)
			require.ErrorIs(t, outcome.Err, command.ErrFull)
		}
	}
	assert.Equal(t, 33, recorder.Waiting(), "whoever was turned away isn't kept")

	store.release()
	for _, caller := range accepted {
		caller.allRecorded(t)
	}
	assert.Equal(t, command.Recorded, record(t, recorder, late[0])[0].Status, "it works again")
	assert.Equal(t, 35, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assertNoDrift(t, pool)
}

// One slow batch, such as one that waited for a lock, is no measure of how long a
// log takes.
func TestTheBacklogIsThatOfTheBatchesThatWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// slow is how long the first batch took, which is of a single log.
		slow time.Duration
		// waiting is how many calls came afterwards, each with so many logs.
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
				recorder.Record(t.Context(), undated(1)) // which the pace is learnt from, by an eighth
				store.takes = time.Second
				if test.logs <= 1 {
					submit(recorder, undated(1)...) // which the others wait for
					synctest.Wait()
				}
				for range test.waiting {
					submit(recorder, undated(test.logs)...)
				}
				synctest.Wait()

				assert.Equal(t, test.want, recorder.Backlog())
				require.NoError(t, recorder.Close(t.Context()))
			})
		})
	}
}

func TestAPatientCallerWaitsForRoom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// meanwhile happens while the caller waits, and another batch is being written.
		meanwhile func(*command.Recorder, context.CancelFunc)
		want      error
		takes     time.Duration
	}{
		{"until there is some", func(*command.Recorder, context.CancelFunc) {}, errBroken, 3 * time.Hour},
		{"until its context ends", func(_ *command.Recorder, end context.CancelFunc) { end() }, command.ErrFull, 0},
		{"until the recorder is closed", func(r *command.Recorder, _ context.CancelFunc) { go r.Close(context.Background()) }, command.ErrStopped, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				heard := new(tally)
				recorder := command.NewRecorderOf(&slowStore{takes: time.Hour},
					command.Config{Lanes: 1, MaxWaiting: 1, Timeout: 2 * time.Hour, Observer: heard})
				submit(recorder, undated(1)...) // which is being written
				synctest.Wait()
				submit(recorder, undated(1)...) // which waits
				synctest.Wait()
				ctx, end := context.WithCancel(t.Context())
				defer end()
				begun := time.Now()
				patient := &call{logs: undated(2), done: make(chan struct{})}
				go func() {
					defer close(patient.done)
					patient.outcomes = recorder.RecordPatiently(ctx, patient.logs)
				}()
				synctest.Wait()
				require.False(t, patient.ended())
				assert.Empty(t, heard.soFar(), "nobody was refused")

				test.meanwhile(recorder, end)
				<-patient.done

				for _, outcome := range patient.outcomes {
					assert.Equal(t, command.Failed, outcome.Status)
					assert.ErrorIs(t, outcome.Err, test.want)
				}
				assert.Equal(t, test.takes, time.Since(begun), "for two batches and its own, or for nothing")
				require.NoError(t, recorder.Close(t.Context()))
				assert.Equal(t, map[command.Status]int{command.Failed: 4}, heard.soFar(), "each log is counted once")
			})
		})
	}
}

func TestASingleRecordPassesABigCall(t *testing.T) {
	t.Parallel()
	const size, few = 10_000, 3
	pool := pgtest.Pool(t)
	store := holdAt(pool)
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

// However far apart in the call they are, and however many writers write it.
func TestOfARequestIDThatABigCallRepeatsTheFirstWins(t *testing.T) {
	t.Parallel()
	const distinct, repetitions = 1100, 3
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Lanes: 4})
	for range 3 {
		var calls []*call
		for range 3 { // at the same time, so that all writers have something to do
			logs := newLogs(distinct)
			for repetition := 1; repetition < repetitions; repetition++ {
				for _, log := range logs[:distinct] {
					log.WordCount += repetition
					logs = append(logs, log)
				}
			}
			calls = append(calls, submit(recorder, logs...))
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

func TestReplicasWriteTheSameUsersAtTheSameTime(t *testing.T) {
	t.Parallel()
	const replicas, callers, rounds = 3, 4, 8
	url := pgtest.URL(t)
	users := newIDs(3)
	total := 0
	var calls sync.WaitGroup
	for replica := range replicas {
		recorder := newRecorder(pgtest.Open(t, url))
		for caller := range callers {
			size := 1 + 20*caller
			total += rounds * size
			calls.Go(func() {
				for range rounds {
					logs := newLogs(size)
					for i := range logs {
						logs[i].UserID = users[(i+replica+caller)%len(users)]
						logs[i].Timestamp = logs[i].Timestamp.AddDate(0, 0, -i*7%40)
					}
					for _, outcome := range recorder.Record(t.Context(), logs) {
						assert.Equal(t, command.Recorded, outcome.Status, "%v", outcome.Err)
					}
				}
			})
		}
	}
	calls.Wait()

	pool := pgtest.Open(t, url)
	assert.Equal(t, total, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assertNoDrift(t, pool)
}

// Or else whoever reuses request ids could hold up the writers of everybody.
func TestRequestIDsThatAreReusedForOtherUsersDontDeadlock(t *testing.T) {
	t.Parallel()
	const rounds, size = 8, 300
	url := pgtest.URL(t)
	pool := pgtest.Open(t, url)
	replicas := []*command.Recorder{newRecorder(pgtest.Open(t, url)), newRecorder(pgtest.Open(t, url))}
	for range rounds {
		logs := newLogs(size)
		slices.SortFunc(logs, func(a, b command.Log) int { return strings.Compare(a.UserID.String(), b.UserID.String()) })
		reused := slices.Clone(logs)
		for i := range reused { // so that the ids in the order of the users are in opposite orders
			reused[i].UserID = logs[size-1-i].UserID
		}
		calls := []*call{submit(replicas[0], logs...), submit(replicas[1], reused...)}
		recorded := 0
		for _, caller := range calls {
			for _, status := range statuses(caller.wait(t)) {
				if status == command.Recorded {
					recorded++
				}
			}
		}
		require.Equal(t, size, recorded, "each request id is recorded once")
	}
	assert.Zero(t, scan[int](t, pool, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
	assertNoDrift(t, pool)
}

func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	users := newIDs(2)
	slices.SortFunc(users, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
	logs := func() []command.Log {
		logs := newLogs(2)
		logs[0].UserID, logs[1].UserID = users[0], users[1]
		return logs
	}
	record(t, newRecorder(pool), logs()...)
	observed := new(observer)
	recorder := command.NewRecorder(pool, command.Config{Observer: observed, Lanes: 1})
	rounds := 0
	// Of the two that wait for each other, either may be the one that gives way.
	for ; observed.retries() == 0; rounds++ {
		require.Less(t, rounds, 10, "the recorder never gives way")
		other := begin(t, pool)
		lockRollups(t, other, users[1])
		caller := submit(recorder, logs()...)
		waitUntilOneWaitsForALock(t, pool)
		if _, err := other.Exec(t.Context(), lockRollupsSQL, users[0]); err != nil {
			refusal, _ := errors.AsType[*pgconn.PgError](err)
			require.NotNil(t, refusal, "%v", err)
			require.Equal(t, pgerrcode.DeadlockDetected, refusal.Code)
		}
		require.NoError(t, other.Rollback(t.Context()))
		caller.allRecorded(t)
	}
	assert.Equal(t, 2+2*rounds, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assertNoDrift(t, pool)
}

func TestASerializationFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	log := newLog(12, today)
	record(t, newRecorder(pool), log)
	observed := new(observer)
	recorder := command.NewRecorder(repeatableRead(t, pool), command.Config{Observer: observed})
	other := begin(t, pool)
	lockRollups(t, other, log.UserID)
	same := newLog(3, today)
	same.UserID = log.UserID
	caller := submit(recorder, same)
	waitUntilOneWaitsForALock(t, pool)

	_, err := other.Exec(t.Context(), `UPDATE learning_log_aggregates SET entry_count = entry_count WHERE user_id = $1`, log.UserID)
	require.NoError(t, err)
	require.NoError(t, other.Commit(t.Context()))

	caller.allRecorded(t)
	assert.Positive(t, observed.retries(), "nothing failed: what was to be tried again?")
	assert.Equal(t, 15, wordsOf(t, pool, log.UserID))
	assertNoDrift(t, pool)
}

// Callers that submit at the same time may come in any order, but each request id
// is recorded once, and everybody else is judged against that log.
func TestConcurrentRecordsFollowTheirModel(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	var run uint32 = 1 << 31
	rapid.Check(t, func(t *rapid.T) {
		run++
		requestIDs, users := drawIDs(t, run, 5), drawIDs(t, run, 2)
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		recorder := command.NewRecorder(pool, command.Config{
			MaxBatch: rapid.IntRange(1, 5).Draw(t, "max batch"),
			Lanes:    lanes,
		})
		submissions := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) command.Log {
			log := command.Log{
				RequestID: rapid.SampledFrom(requestIDs).Draw(t, "request id"),
				UserID:    rapid.SampledFrom(users).Draw(t, "user"),
				WordCount: rapid.SampledFrom([]int{0, 1, 1_000_000, -1}).Draw(t, "words"),
			}
			if rapid.Bool().Draw(t, "with a timestamp") {
				log.Timestamp = instant(today)
			}
			return log
		}), 1, 4), 1, 6).Draw(t, "submissions")

		calls := make([]*call, len(submissions))
		for i, logs := range submissions {
			calls[i] = submit(recorder, logs...)
		}

		model := make(map[uuid.UUID]command.Log)
		for _, caller := range calls {
			seen := make(map[[2]uuid.UUID]bool)
			for i, outcome := range caller.wait(t) {
				log := caller.logs[i]
				rivals := [2]uuid.UUID{log.RequestID, log.UserID}
				if lanes == 1 { // other users' logs are in the same order too
					rivals[1] = uuid.Nil
				}
				if outcome.Status == command.Recorded {
					require.NotContains(t, model, log.RequestID, "recorded twice")
					require.False(t, seen[rivals], "of the logs of one call the first wins")
					log.Timestamp = outcome.Log.Timestamp
					model[log.RequestID] = log
				}
				seen[rivals] = seen[rivals] || outcome.Status != command.Invalid
			}
		}
		for _, caller := range calls {
			for i, outcome := range caller.wait(t) {
				if outcome.Status == command.Recorded {
					continue
				}
				log := caller.logs[i]
				if log.WordCount >= 0 {
					require.Contains(t, model, log.RequestID, "nobody recorded %v, which %s", log, outcome.Status)
				}
				require.Equal(t, expect(model, log), outcome.Status, "of %v: %v", log, outcome.Err)
			}
		}
		assertRollups(t, pool, users, model)
	})
	assertNoDrift(t, pool)
}

// heldStore is a store whose inserts wait until they are let through.
type heldStore struct {
	command.Store

	// permits has a value for each insert that is let through; closed, all are.
	permits chan struct{}

	mu           sync.Mutex
	sizes        []int // how many logs each insert has
	broken, lost bool  // the next insert's connection, before or after it
}

func holdAt(pool *pgxpool.Pool) *heldStore {
	return &heldStore{Store: command.NewStore(pool), permits: make(chan struct{}, 100)}
}

// let lets so many executions through.
func (s *heldStore) let(n int) {
	for range n {
		s.permits <- struct{}{}
	}
}

// release lets all through from now on.
func (s *heldStore) release() { close(s.permits) }

// breakBefore breaks the connection of one execution before it begins.
func (s *heldStore) breakBefore() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
}

// breakAfter breaks the connection of one execution when it is committed, before
// its answer has come.
func (s *heldStore) breakAfter() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = true
}

// executions returns how many logs were in each, in the order in which they came.
func (s *heldStore) executions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

func (s *heldStore) waitForExecutions(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.executions()) >= n }, eventually, often, "the recorder doesn't write")
}

// Insert is that of the store.
func (s *heldStore) Insert(ctx context.Context, logs []command.Log) (command.RecordedLogs, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, len(logs))
	s.mu.Unlock()
	select {
	case <-s.permits:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	broken, lost := s.broken, s.lost
	s.broken, s.lost = false, false
	s.mu.Unlock()
	if broken {
		return nil, io.ErrUnexpectedEOF
	}
	recorded, err := s.Store.Insert(ctx, logs)
	if lost {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	return recorded, err
}

var errBroken = errors.New("this store is broken")

type brokenStore struct{ command.Store }

func (brokenStore) Insert(context.Context, []command.Log) (command.RecordedLogs, error) {
	return nil, errBroken
}

// slowStore takes its time to say that it is broken.
type slowStore struct {
	brokenStore

	takes time.Duration
}

func (s *slowStore) Insert(ctx context.Context, logs []command.Log) (command.RecordedLogs, error) {
	time.Sleep(s.takes)
	return s.brokenStore.Insert(ctx, logs)
}

// call is a Record that was begun.
type call struct {
	logs     []command.Log
	outcomes []command.Outcome
	done     chan struct{}
}

func submit(recorder *command.Recorder, logs ...command.Log) *call {
	return submitWith(context.Background(), recorder, logs...)
}

func submitWith(ctx context.Context, recorder *command.Recorder, logs ...command.Log) *call {
	c := &call{logs: logs, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.outcomes = recorder.Record(ctx, logs)
	}()
	return c
}

func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// wait returns the outcomes once there are any.
func (c *call) wait(t require.TestingT) []command.Outcome {
	select {
	case <-c.done:
	case <-time.After(eventually):
		require.FailNow(t, "a call isn't answered")
	}
	require.Len(t, c.outcomes, len(c.logs))
	return c.outcomes
}

// only returns the outcome of a call with one log.
func (c *call) only(t *testing.T) command.Outcome {
	t.Helper()
	require.Len(t, c.logs, 1)
	return c.wait(t)[0]
}

func (c *call) allRecorded(t *testing.T) {
	t.Helper()
	for i, outcome := range c.wait(t) {
		require.Equal(t, command.Recorded, outcome.Status, "of log %d: %v", i, outcome.Err)
		require.Equal(t, c.logs[i].RequestID, outcome.Log.RequestID)
	}
}

func waitUntilWaiting(t *testing.T, recorder *command.Recorder, logs int) {
	t.Helper()
	require.Eventually(t, func() bool { return recorder.Waiting() == logs && recorder.Queued() == logs }, eventually, often,
		"%d logs should wait", logs)
}

// waitUntilStopped waits until a recorder that is being closed accepts nothing
// more.
func waitUntilStopped(t *testing.T, recorder *command.Recorder) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Eventually(t, func() bool {
		outcome := recorder.Record(ctx, []command.Log{newLog(1, today)})[0]
		return errors.Is(outcome.Err, command.ErrStopped)
	}, eventually, often, "the recorder still accepts logs")
}

// observer adds up what it is told.
type observer struct {
	mu      sync.Mutex
	retried int
}

func (o *observer) Wrote(batch command.Batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.retried += batch.Retries
}

func (*observer) Refused(command.Status, int) {}

func (o *observer) retries() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.retried
}

func begin(t *testing.T, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

const lockRollupsSQL = `SELECT FROM learning_log_aggregates WHERE user_id = $1 FOR UPDATE`

func lockRollups(t *testing.T, tx pgx.Tx, user uuid.UUID) {
	t.Helper()
	locked, err := tx.Exec(t.Context(), lockRollupsSQL, user)
	require.NoError(t, err)
	require.Positive(t, locked.RowsAffected())
}

func waitUntilOneWaitsForALock(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	require.Eventually(t, func() bool {
		return scan[int](t, pool, `
			SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 1
	}, eventually, often, "nobody waits for a lock")
}

// repeatableRead returns a pool of connections to the same database whose
// statements fail where another transaction changes a row that they change too.
func repeatableRead(t *testing.T, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	config := pool.Config()
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "repeatable read"
	strict, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(strict.Close)
	return strict
}

func newLogs(n int) []command.Log {
	logs := make([]command.Log, n)
	for i := range logs {
		logs[i] = newLog(i%100, today)
	}
	return logs
}

// undated returns logs for where the clock isn't today's.
func undated(n int) []command.Log {
	logs := newLogs(n)
	for i := range logs {
		logs[i].Timestamp = time.Time{}
	}
	return logs
}

func wordsOf(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) int {
	t.Helper()
	return scan[int](t, pool, `
		SELECT sum(total_word_count)::int FROM learning_log_aggregates WHERE user_id = $1 AND granularity = 'day'`, user)
}

func assertNoDrift(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	assert.Empty(t, pgtest.Drift(t, pool, time.UTC))
}

// How long a test waits for what takes a moment, and how often it looks.
const (
	eventually = 30 * time.Second
	often      = time.Millisecond
)
