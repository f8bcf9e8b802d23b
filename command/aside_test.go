package command_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestOnlyTheUserWhoseRowIsLockedWaits(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 1, Timeout: time.Hour})
	locked := newLog(1, today)
	record(t, recorder, locked)
	other := begin(t, pool)
	lockRollups(t, other, locked.UserID)
	next := func() command.Log {
		log := newLog(1, today)
		log.UserID = locked.UserID
		return log
	}
	others := newLogs(50)
	call := append([]command.Log{next()}, others...)

	waiting := submit(recorder, call...)

	alone := newLog(1, today)
	assert.Equal(t, command.Recorded, submit(recorder, alone).only(t).Status, "another log in the same lane")
	assert.False(t, waiting.ended())
	require.Eventually(t, func() bool {
		return scan[int](t, pool, `SELECT count(*) FROM learning_log WHERE user_id <> $1`, locked.UserID) == len(others)+1
	}, eventually, often, "its neighbours in the same call are recorded")
	later := submit(recorder, next(), newLog(1, today))
	begun := time.Now()
	for range 20 {
		submit(recorder, newLog(1, today)).only(t)
	}
	assert.Less(t, time.Since(begun), time.Second, "now that it is known who waits, nobody else does")
	assert.False(t, later.ended())

	require.NoError(t, other.Rollback(t.Context()))

	waiting.allRecorded(t)
	later.allRecorded(t)
	assert.Equal(t, command.Recorded, record(t, recorder, next())[0].Status)
	assert.Zero(t, recorder.Waiting())
	require.NoError(t, recorder.Close(t.Context()))
	assertNoDrift(t, pool)
}

func TestALogThatWaitsForALockTooLongFails(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	heard := new(tally)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 1, Timeout: 2 * time.Second, Observer: heard})
	locked := newLog(1, today)
	record(t, recorder, locked)
	other := begin(t, pool)
	lockRollups(t, other, locked.UserID)
	log := newLog(1, today)
	log.UserID = locked.UserID

	assert.Equal(t, command.Failed, submit(recorder, log).only(t).Status)
	again := submit(recorder, log)
	assert.Equal(t, command.Recorded, submit(recorder, newLog(1, today)).only(t).Status)
	assert.Equal(t, command.Failed, again.only(t).Status)

	require.NoError(t, other.Rollback(t.Context()))
	require.Eventually(t, func() bool {
		status := submit(recorder, log).only(t).Status
		return status == command.Recorded || status == command.AlreadyRecorded
	}, eventually, often, "it is recorded once the lock is gone")
	require.NoError(t, recorder.Close(t.Context()))
	assert.Equal(t, 3, heard.soFar()[command.Recorded]+heard.soFar()[command.AlreadyRecorded])
	assertNoDrift(t, pool)
}

// If too many are locked, as by LOCK TABLE, everybody waits, and nobody fails early.
func TestEverybodyWaitsForALockOfEverything(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 1, Timeout: time.Hour})
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE learning_log_aggregates IN EXCLUSIVE MODE`)
	require.NoError(t, err)

	waiting := submit(recorder, newLogs(20)...)
	require.Eventually(t, func() bool {
		return pgtest.Waiting(t, pool, 2*time.Second) > 0
	}, eventually, often, "a statement waits for longer than it takes to find out who waits")
	assert.False(t, waiting.ended())
	require.NoError(t, tx.Rollback(t.Context()))

	waiting.allRecorded(t)
	require.NoError(t, recorder.Close(t.Context()))
	assertNoDrift(t, pool)
}

// A lane whose logs have failed is kept while it is idle, until others need its place.
func TestAnotherUserMayBeSetAsideInsteadOfOneWhoseLogsFailed(t *testing.T) {
	t.Parallel()
	for range 4 { // which of the lanes makes way is chance
		t.Run("", func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 1, Timeout: 4 * time.Second})
			other := begin(t, pool)
			logs := newLogs(3)
			record(t, recorder, logs...)
			next := func(i int) command.Log {
				log := newLog(1, today)
				log.UserID = logs[i].UserID
				return log
			}
			for i := range logs {
				lockRollups(t, other, logs[i].UserID)
			}
			require.Equal(t, command.Failed, submit(recorder, next(0)).only(t).Status)

			for _, outcome := range submit(recorder, next(1), next(2)).wait(t) {
				assert.Equal(t, command.Failed, outcome.Status)
			}

			assert.Equal(t, command.Recorded, submit(recorder, newLog(1, today)).only(t).Status)
			require.NoError(t, other.Rollback(t.Context()))
			require.NoError(t, recorder.Close(t.Context()))
			assertNoDrift(t, pool)
		})
	}
}
