package command_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestALogThatTheDatabaseRefusesFailsAlone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	full := newLog(1, today)
	record(t, newRecorder(t, pool), full)
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
	store := holdAt(t, pool)
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
	require.Len(t, pgtest.Drift(t, pool), 1, "only in the row that was set wrong")
	_, err = pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 1 WHERE total_word_count > 1000000000`)
	require.NoError(t, err)
	assertNoDrift(t, pool)
	assert.Equal(t, command.Recorded, record(t, recorder, refused.logs[0])[0].Status, "now that there is room")
	assertNoDrift(t, pool)
}

// It is unknown whether the transaction was committed before the connection broke.
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
			store := holdAt(t, pool)
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

func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	users := usersOfOneShard(t, pool, 2)
	slices.SortFunc(users, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
	logs := func() []command.Log {
		logs := newLogs(2)
		logs[0].UserID, logs[1].UserID = users[0], users[1]
		return logs
	}
	record(t, newRecorder(t, pool), logs()...)
	observed := new(observer)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Observer: observed, Lanes: 1})
	rounds := 0
	// Either of the two transactions in the deadlock may be the one that is
	// cancelled.
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

// usersOfOneShard returns ids of users whose logs are in the same shard, if there are any.
func usersOfOneShard(t *testing.T, pool *pgxpool.Pool, count int) []uuid.UUID {
	t.Helper()
	nodes := pgtest.Nodes(t, pool)
	users := newIDs(1)
	for len(users) < count {
		user := uuid.New()
		if nodes == nil || nodes.Now().Place(user) == nodes.Now().Place(users[0]) {
			users = append(users, user)
		}
	}
	return users
}

func TestASerializationFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	if pgtest.Distributed() {
		t.Skip("transactions of a shard say themselves how they are isolated")
	}
	pool := pgtest.Pool(t)
	log := newLog(12, today)
	record(t, newRecorder(t, pool), log)
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

// observer sums up what is reported to it.
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
func (*observer) RefusedVoids(int)            {}
func (*observer) LookedUp(command.Lookup)     {}

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
		return pgtest.Waiting(t, pool, 0) == 1
	}, eventually, often, "nobody waits for a lock")
}

// repeatableRead returns a pool of connections to the same database. A statement on
// them fails if it changes a row that a concurrent transaction has changed.
func repeatableRead(t *testing.T, pool *pgxpool.Pool) *pgxpool.Pool {
	t.Helper()
	config := pool.Config()
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "repeatable read"
	strict, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(strict.Close)
	return strict
}

func TestAPanicFailsABatchAndNothingElse(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := &explodingStore{Store: command.NewStore(pool, pgtest.Nodes(t, pool))}
	var log bytes.Buffer
	heard := new(tally)
	recorder := command.NewRecorderOf(store, command.Config{
		Lanes: 1, Logger: slog.New(slog.NewTextHandler(&log, nil)), Observer: heard,
	})
	store.armed.Store(true)

	outcome := submit(recorder, newLog(1, today)).only(t)

	assert.Equal(t, command.Failed, outcome.Status)
	assert.Error(t, outcome.Err)
	assert.Equal(t, command.Recorded, record(t, recorder, newLog(1, today))[0].Status, "the lane goes on")
	require.NoError(t, recorder.Close(t.Context()))
	assert.Equal(t, map[command.Status]int{command.Failed: 1, command.Recorded: 1}, heard.soFar(), "each log is counted once")
	assert.Contains(t, log.String(), "bang")
	assert.Contains(t, log.String(), "explodingStore", "the stack says where")
	assertNoDrift(t, pool)
}

// A panic in the queue itself leaves it in an unknown state.
func TestARecorderThatCantGoOnSaysSoAndCanBeClosed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	broken := make(chan error, 1)
	observer := &explodingObserver{}
	recorder := command.NewRecorder(pool, command.Config{
		Nodes: pgtest.Nodes(t, pool),
		Lanes: 1, Observer: observer, Broken: func(err error) { broken <- err },
	})
	gone, cancel := context.WithCancel(t.Context())
	defer cancel()
	store := submitWith(gone, recorder, newLog(1, today))
	store.allRecorded(t)
	lock := begin(t, pool)
	lockRollups(t, lock, store.logs[0].UserID)
	same := newLog(1, today)
	same.UserID = store.logs[0].UserID
	busy := submit(recorder, same)
	waitUntilOneWaitsForALock(t, pool)
	last := newLog(1, today)
	last.UserID = same.UserID // so it is in the same lane
	left := submitWith(gone, recorder, last)
	waitUntilWaiting(t, recorder, 1)
	cancel() // its log is dropped when its turn comes, which is reported to the observer
	assert.Equal(t, command.Failed, left.only(t).Status)

	require.NoError(t, lock.Rollback(t.Context()))

	busy.allRecorded(t)
	assert.ErrorContains(t, <-broken, "bang")
	assert.ErrorIs(t, submit(recorder, newLog(1, today)).only(t).Err, command.ErrStopped)
	assert.NoError(t, recorder.Close(t.Context()))
	assertNoDrift(t, pool)
}

// explodingObserver panics when it hears of the first log whose turn never came.
type explodingObserver struct {
	observer

	once sync.Once
}

func (o *explodingObserver) Refused(command.Status, int) { o.once.Do(func() { panic("bang") }) }
