package command_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestMaxWaitingTurnsFurtherCallsAway(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, MaxWaiting: 10})
	accepted := []*call{submit(recorder, newLog(1, today))}
	store.waitForExecutions(t, 1)
	for i := range 10 {
		accepted = append(accepted, submitWith(from(t.Context(), i), recorder, newLog(i, today)))
	}
	waitUntilWaiting(t, recorder, 10)

	late := newLogs(2)
	for range 100 {
		for _, outcome := range recorder.Record(from(t.Context(), 11), late) {
			require.Equal(t, command.Failed, outcome.Status)
			require.ErrorIs(t, outcome.Err, command.ErrFull)
			require.NotErrorIs(t, outcome.Err, command.ErrShareFull)
		}
	}
	assert.Equal(t, 10, recorder.Waiting(), "whoever was turned away isn't kept")

	store.release()
	for _, caller := range accepted {
		caller.allRecorded(t)
	}
	assert.Equal(t, command.Recorded, record(t, recorder, late[0])[0].Status, "it works again")
	assert.Equal(t, 12, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assertNoDrift(t, pool)
}

func TestACallerMayFillHalfOfTheRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := command.NewRecorderOf(&slowStore{takes: time.Hour}, command.Config{Lanes: 1, MaxWaiting: 10, Timeout: time.Hour})
		one, other := from(t.Context(), 1), from(t.Context(), 2)
		submitWith(one, recorder, undated(1)...) // this one is being written
		synctest.Wait()
		for range 5 {
			submitWith(one, recorder, undated(1)...)
		}
		synctest.Wait()
		require.Equal(t, 5, recorder.Waiting())

		assert.ErrorIs(t, recorder.Record(one, undated(1))[0].Err, command.ErrShareFull)
		submitWith(other, recorder, undated(5)...)
		synctest.Wait()
		assert.Equal(t, 10, recorder.Waiting(), "another finds room")
		require.NoError(t, recorder.Close(t.Context()))
	})
}

// However many large calls wait, a small one finds room, even if all are of one caller.
func TestLargeCallsLeaveRoomToSmallOnes(t *testing.T) {
	t.Parallel()
	const large, room = 200, 1000
	synctest.Test(t, func(t *testing.T) {
		recorder := command.NewRecorderOf(&slowStore{takes: time.Hour}, command.Config{Lanes: 1, MaxWaiting: room, Timeout: time.Hour})
		submit(recorder, undated(1)...) // this one is being written
		synctest.Wait()
		accepted := 0
		for i := range 20 {
			call := submitWith(from(t.Context(), i), recorder, undated(large)...)
			synctest.Wait()
			if !call.ended() {
				accepted += large
			}
		}
		assert.Equal(t, 400, accepted, "at most half of the room, in whole calls")
		single := submit(recorder, undated(1)...)
		synctest.Wait()
		assert.False(t, single.ended(), "it was accepted")

		assert.Equal(t, accepted+1, recorder.Waiting())
		require.NoError(t, recorder.Close(t.Context()))
	})
}

func TestACallOfAnySizeIsAcceptedWhileNoOtherLargeOneWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := command.NewRecorderOf(&slowStore{takes: time.Hour}, command.Config{Lanes: 1, MaxWaiting: 10, Timeout: time.Hour})
		for range 6 {
			submit(recorder, undated(1)...)
			synctest.Wait()
		}

		huge := submit(recorder, undated(10_000)...)
		synctest.Wait()
		assert.False(t, huge.ended(), "otherwise so many logs might never find room")
		assert.ErrorIs(t, recorder.Record(t.Context(), undated(101))[0].Err, command.ErrFull)
		require.NoError(t, recorder.Close(t.Context()))
	})
}

// One who waits for room of their own keeps no others waiting.
func TestPatientCallersAreAcceptedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := command.NewRecorderOf(&slowStore{takes: time.Hour}, command.Config{Lanes: 1, MaxWaiting: 2000, Timeout: 99 * time.Hour})
		one, other := from(t.Context(), 1), from(t.Context(), 2)
		submitWith(one, recorder, undated(1)...) // this one is being written
		synctest.Wait()
		patiently := func(ctx context.Context, logs int) {
			go recorder.RecordPatiently(ctx, undated(logs))
			synctest.Wait()
		}
		patiently(one, 500)
		require.Equal(t, 500, recorder.Waiting())
		patiently(one, 101)
		require.Equal(t, 500, recorder.Waiting(), "its own half of the room of large calls is full")
		patiently(other, 500)
		require.Equal(t, 1000, recorder.Waiting())
		require.NoError(t, recorder.Close(t.Context()))
	})
}

// Otherwise a large call would wait for ever, as there is hardly a moment when no other one
// waits.
func TestAPatientCallIsNotOvertakenBySmallerOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{takes: time.Second}
		recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, MaxWaiting: 2000, Timeout: time.Hour})
		stop := make(chan struct{})
		var streams sync.WaitGroup
		for i := range 3 { // blocks one after the other
			streams.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						recorder.RecordPatiently(from(t.Context(), i), undated(500))
					}
				}
			})
		}
		time.Sleep(10 * time.Second)
		begun := time.Now()

		recorder.RecordPatiently(from(t.Context(), 4), undated(1000))

		assert.Less(t, time.Since(begun), 10*time.Minute)
		close(stop)
		streams.Wait()
		require.NoError(t, recorder.Close(t.Context()))
	})
}

// The room of small calls doesn't shrink by a large call that was accepted whatever its
// size.
func TestOneLargeCallLeavesRoomToSmallOnesHoweverLargeItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		recorder := command.NewRecorderOf(&slowStore{takes: time.Hour}, command.Config{Lanes: 1, MaxWaiting: 100, Timeout: time.Hour})
		submit(recorder, undated(10_000)...)
		synctest.Wait()
		var singles []*call
		for i := range 50 {
			singles = append(singles, submitWith(from(t.Context(), i), recorder, undated(1)...))
			synctest.Wait()
		}
		for _, single := range singles {
			assert.False(t, single.ended(), "it was accepted")
		}
		assert.ErrorIs(t, recorder.Record(t.Context(), undated(1))[0].Err, command.ErrFull)
		require.NoError(t, recorder.Close(t.Context()))
	})
}

func TestAPatientCallerWaitsForRoom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// meanwhile runs while the caller waits, and another batch is being written.
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
				submit(recorder, undated(1)...) // this one is being written
				synctest.Wait()
				submit(recorder, undated(1)...) // this one waits
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

func TestACallerWhoseContextEndsIsToldAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		// busy says that another log is being written, so the caller's own log
		// waits.
		busy bool
	}{
		{"while the log waits", true},
		{"while the log is being written", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			store := holdAt(t, pool)
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
	<-store.asked // from now on, other calls would wait
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

func TestCloseWritesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
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
	store := holdAt(t, pool)
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
	for range 50 { // repeated, because being idle may win against the end of ctx by chance
		require.NoError(t, command.NewRecorderOf(brokenStore{}, command.Config{}).Close(ctx), "nothing is left")
	}
}

// waitUntilStopped waits until a recorder that is being closed refuses calls.
func waitUntilStopped(t *testing.T, recorder *command.Recorder) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Eventually(t, func() bool {
		outcome := recorder.Record(ctx, []command.Log{newLog(1, today)})[0]
		return errors.Is(outcome.Err, command.ErrStopped)
	}, eventually, often, "the recorder still accepts logs")
}
