package command_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// fixedHorizon refuses what is before it.
type fixedHorizon struct{ at *time.Time }

func (h fixedHorizon) RefusedBefore() time.Time { return *h.at }

func TestALogBeforeTheHorizonIsTooOld(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	horizon := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	heard := new(tally)
	recorder := command.NewRecorder(pool, command.Config{
		Nodes: pgtest.Nodes(t, pool), Horizon: fixedHorizon{&horizon}, Observer: heard,
	})
	at := func(timestamp time.Time) command.Log {
		log := newLog(12, today)
		log.Timestamp = timestamp
		return log
	}
	old := at(horizon.Add(-time.Microsecond))
	voided := at(horizon.Add(-time.Hour))
	voided.VoidedAt = horizon.Add(time.Hour)
	wrong := at(horizon.Add(-time.Hour))
	wrong.WordCount = -1

	outcomes := record(t, recorder, at(horizon), old, at(time.Time{}), voided, wrong, at(horizon.In(time.FixedZone("", 3600))))

	statuses := make([]command.Status, len(outcomes))
	for i, outcome := range outcomes {
		statuses[i] = outcome.Status
	}
	assert.Equal(t, []command.Status{
		command.Recorded, command.TooOld, command.Recorded, command.TooOld, command.Invalid, command.Recorded,
	}, statuses, "by the instant; a log without a timestamp is of now")
	assert.Equal(t, []command.FieldError{{
		Field:    "timestamp",
		Expected: "must not be before 2026-01-14T00:00:00Z: logs that are as old are not kept",
		Value:    "2026-01-13T23:59:59.999999Z",
	}}, outcomes[1].Errors)
	assert.False(t, outcomes[1].Status.Retryable())
	assert.Equal(t, map[command.Status]int{command.Recorded: 3, command.TooOld: 2, command.Invalid: 1}, heard.soFar())
}

// A log that is sent again may have been purged, whatever a process remembers of it.
func TestWhatIsKnownOfALogDoesNotMakeItLessOld(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	horizon := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Horizon: fixedHorizon{&horizon}})
	log := newLog(12, today)
	log.Timestamp = horizon
	require.Equal(t, command.Recorded, record(t, recorder, log)[0].Status)
	require.Equal(t, command.AlreadyRecorded, record(t, recorder, log)[0].Status)

	horizon = horizon.Add(time.Second)

	outcome := record(t, recorder, log)[0]
	assert.Equal(t, command.TooOld, outcome.Status)
	assert.Nil(t, outcome.Log)
	target := command.Target{UserID: log.UserID, RequestID: log.RequestID}
	assert.Equal(t, command.Voided, recorder.Void(t.Context(), []command.Target{target})[0].Status, "while it is there it can be taken back")
}

// movingHorizon refuses what is before it, and may be raised at any time.
type movingHorizon struct{ at atomic.Pointer[time.Time] }

func (h *movingHorizon) RefusedBefore() time.Time { return *h.at.Load() }

// A purge waits only as long as a batch may take, not as long as a log may wait besides.
func TestALogIsTooOldIfTheHorizonIsRaisedWhileItWaits(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	first := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	raised := first.Add(time.Hour)
	horizon := new(movingHorizon)
	horizon.at.Store(&first)
	store := holdAt(t, pool)
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1, Horizon: horizon})
	blocker := submit(recorder, newLog(1, today))
	store.waitForExecutions(t, 1)
	old, recent := newLog(2, today), newLog(3, today)
	old.Timestamp, recent.Timestamp = first, raised
	waiting := submit(recorder, old, recent)
	waitUntilWaiting(t, recorder, 2)

	horizon.at.Store(&raised)
	store.release()

	blocker.allRecorded(t)
	outcomes := waiting.wait(t)
	assert.Equal(t, []command.Status{command.TooOld, command.Recorded}, statuses(outcomes))
	assert.Len(t, outcomes[0].Errors, 1)
}

func TestAReplacementThatIsTooOldLeavesTheOtherLog(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	horizon := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Horizon: fixedHorizon{&horizon}})
	first := newLog(12, today)
	first.Timestamp = horizon
	require.Equal(t, command.Recorded, record(t, recorder, first)[0].Status)
	second := first
	second.RequestID, second.Replaces, second.Timestamp = uuid.New(), first.RequestID, horizon.Add(-time.Hour)

	assert.Equal(t, command.TooOld, record(t, recorder, second)[0].Status)
	assert.Equal(t, command.AlreadyRecorded, record(t, recorder, first)[0].Status)
}

// The log that was replaced may be gone when a client sends the replacement again.
func TestAReplacementIsKnownEvenIfTheOtherLogWasPurged(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	horizon := time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Horizon: fixedHorizon{&horizon}})
	first := newLog(12, today)
	first.Timestamp = horizon
	second := first
	second.RequestID, second.Replaces, second.Timestamp = uuid.New(), first.RequestID, horizon.Add(24*time.Hour)
	record(t, recorder, first)
	require.Equal(t, command.Recorded, record(t, recorder, second)[0].Status)
	_, err := pool.Exec(t.Context(), `DELETE FROM learning_log WHERE user_id = $1 AND request_id = $2`, first.UserID, first.RequestID)
	require.NoError(t, err)

	assert.Equal(t, command.AlreadyRecorded, record(t, recorder, second)[0].Status)
}
