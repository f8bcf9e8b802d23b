package command_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

// newObserved returns a recorder, and what it observes.
func newObserved(t testing.TB, pool *pgxpool.Pool) (*command.Recorder, *tally) {
	t.Helper()
	heard := new(tally)
	return command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Observer: heard}), heard
}

func TestALogThatIsSentAgainIsLookedUpInsteadOfWritten(t *testing.T) {
	t.Parallel()
	store := holdAt(t, pgtest.Pool(t))
	store.release()
	heard := new(tally)
	recorder := command.NewRecorderOf(store, command.Config{Observer: heard})
	log := newLog(12, today)
	first := record(t, recorder, log)[0]

	again := record(t, recorder, log)[0]

	assert.Equal(t, command.AlreadyRecorded, again.Status)
	assert.Equal(t, first.Log, again.Log)
	assert.Len(t, store.executions(), 1)
	assert.Equal(t, map[command.Status]int{command.Recorded: 1, command.AlreadyRecorded: 1}, heard.soFar())
}

// Whatever a replica remembers, it answers as one that remembers nothing, even if others
// have changed the log since, with or without telling anybody.
func TestWhatIsKnownOfALogChangesNoOutcome(t *testing.T) {
	t.Parallel()
	unchanged := func(log command.Log) command.Log { return log }
	nothing := func(*pgxpool.Pool, command.Log) {}
	for name, test := range map[string]struct {
		meanwhile func(pool *pgxpool.Pool, log command.Log)
		again     func(log command.Log) command.Log
		status    command.Status
	}{
		"the same":     {nothing, unchanged, command.AlreadyRecorded},
		"other words":  {nothing, func(log command.Log) command.Log { log.WordCount++; return log }, command.RequestIDReused},
		"other time":   {nothing, func(log command.Log) command.Log { log.Timestamp = log.Timestamp.Add(time.Second); return log }, command.RequestIDReused},
		"no time":      {nothing, func(log command.Log) command.Log { log.Timestamp = time.Time{}; return log }, command.AlreadyRecorded},
		"other zone":   {nothing, func(log command.Log) command.Log { log.Zone = time.FixedZone("", 3600); return log }, command.AlreadyRecorded},
		"other user":   {nothing, func(log command.Log) command.Log { log.UserID = uuid.New(); return log }, command.RequestIDReused},
		"as voided":    {nothing, func(log command.Log) command.Log { log.VoidedAt = log.Timestamp; return log }, command.RequestIDReused},
		"as replacing": {nothing, func(log command.Log) command.Log { log.Replaces = uuid.New(); return log }, command.RequestIDReused},
		"voided": {func(pool *pgxpool.Pool, log command.Log) {
			void(t, newRecorder(t, pool), log)
		}, unchanged, command.Voided},
		"replaced": {func(pool *pgxpool.Pool, log command.Log) {
			other := log
			other.RequestID, other.Replaces = uuid.New(), log.RequestID
			record(t, newRecorder(t, pool), other)
		}, unchanged, command.Voided},
		"re-zoned": {func(pool *pgxpool.Pool, log command.Log) {
			_, err := pool.Exec(context.Background(), `UPDATE learning_log SET utc_offset = 60 WHERE request_id = $1`, log.RequestID)
			require.NoError(t, err)
		}, unchanged, command.AlreadyRecorded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			recorder, _ := newObserved(t, pool)
			log := newLog(12, today)
			again := test.again(log)
			if again.UserID != log.UserID {
				needSharedIDs(t)
			}
			record(t, recorder, log)
			test.meanwhile(pool, log)

			known, unknown := record(t, recorder, again)[0], record(t, newRecorder(t, pool), again)[0]

			assert.Equal(t, test.status, known.Status)
			assert.Equal(t, unknown, known)
			inArray := record(t, recorder, again, newLog(1, today))
			assert.Equal(t, []command.Outcome{unknown, {Status: command.Recorded, Log: inArray[1].Log}}, inArray)
		})
	}
}

// The void is acknowledged before the log is sent again, so there is no race to lose.
func TestALogThatAnotherReplicaHasVoidedIsNeverAlreadyRecorded(t *testing.T) {
	t.Parallel()
	const learners, rounds = 8, 25
	pool := pgtest.Pool(t)
	here, heard := newObserved(t, pool)
	there := newRecorder(t, pool)
	var all sync.WaitGroup
	for range learners {
		all.Go(func() {
			user := uuid.New()
			for range rounds {
				log := newLog(12, today)
				log.UserID = user
				assert.Equal(t, command.Recorded, here.Record(t.Context(), []command.Log{log})[0].Status)
				assert.Equal(t, command.AlreadyRecorded, here.Record(t.Context(), []command.Log{log})[0].Status)
				assert.Equal(t, command.Voided, there.Void(t.Context(), targets(log))[0].Status)
				assert.Equal(t, command.Voided, here.Record(t.Context(), []command.Log{log})[0].Status)
			}
		})
	}
	all.Wait()
	assert.Equal(t, 2*learners*rounds, heard.lookedUp)
	assertNoDrift(t, pool)
}

// As after a back-up was restored, or a failover to a server that lacks the last commits.
func TestALogThatIsKnownAndNotInTheDatabaseIsRecorded(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, heard := newObserved(t, pool)
	log := newLog(12, today)
	record(t, recorder, log)
	_, err := pool.Exec(t.Context(), `TRUNCATE learning_log, learning_log_aggregates`)
	require.NoError(t, err)

	outcomes := statuses(append(record(t, recorder, log), record(t, recorder, log)...))

	assert.Equal(t, []command.Status{command.Recorded, command.AlreadyRecorded}, outcomes)
	assert.Equal(t, 12, wordsOf(t, pool, log.UserID))
	assert.Equal(t, 1, heard.unknown)
	assertNoDrift(t, pool)
}

// Whoever can publish in Redis can say what they like.
func TestWhatIsHeardChangesNoOutcome(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, heard := newObserved(t, pool)
	log, other := newLog(12, today), newLog(30, today)
	repeated := log
	repeated.WordCount++
	recorder.Hear([]uint64{command.FingerprintOf(log), command.FingerprintOf(other)})

	outcomes := record(t, recorder, log, repeated, other, log, newLog(1, today))

	assert.Equal(t, []command.Status{
		command.Recorded, command.RequestIDReused, command.Recorded, command.AlreadyRecorded, command.Recorded,
	}, statuses(outcomes), "of logs with one request id, the first is recorded")
	assert.Equal(t, len(outcomes), heard.unknown)
	assertNoDrift(t, pool)
}

func TestAReplicaLooksUpWhatAnotherHasRecorded(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	there, heard := newObserved(t, pool)
	here := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Peers: peer{there}})
	log := newLog(12, today)
	first := record(t, here, log)[0]

	again := record(t, there, log)[0]

	assert.Equal(t, command.Outcome{Status: command.AlreadyRecorded, Log: first.Log}, again)
	assert.Equal(t, 1, heard.lookedUp)
}

// peer is the only other recorder. It hears before a call returns.
type peer struct{ *command.Recorder }

func (p peer) Tell(recorded []uint64) { p.Hear(recorded) }

// Nothing is told of logs that are not in the database.
func TestOnlyWhatIsInTheDatabaseIsTold(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	store.release()
	told := new(told)
	recorder := command.NewRecorderOf(store, command.Config{Peers: told})
	recorded, taken, failed, wrong := newLog(12, today), newLog(12, today), newLog(12, today), newLog(-1, today)
	taken.RequestID = recorded.RequestID // of another user
	record(t, recorder, recorded, wrong)
	record(t, recorder, taken)
	store.breakBefore()
	assert.Equal(t, command.Failed, recorder.Record(t.Context(), []command.Log{failed})[0].Status)
	void(t, recorder, recorded, newLog(1, today))

	assert.Equal(t, []uint64{command.FingerprintOf(recorded), command.FingerprintOf(recorded)}, told.logs)
}

type told struct {
	mu   sync.Mutex
	logs []uint64
}

func (p *told) Tell(recorded []uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logs = append(p.logs, recorded...)
}

func TestALogThatWasForgottenIsAlreadyRecordedAllTheSame(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, heard := newObserved(t, pool)
	log := newLog(12, today)
	record(t, recorder, log)
	const other = 1 << 63
	recorder.Hear([]uint64{command.FingerprintOf(log) ^ other}) // takes its slot

	outcome := record(t, recorder, log)[0]

	assert.Equal(t, command.AlreadyRecorded, outcome.Status)
	assert.Zero(t, heard.lookedUp)
	assertNoDrift(t, pool)
}

func TestFingerprintsDependOnUserAndRequestID(t *testing.T) {
	t.Parallel()
	log := newLog(12, today)
	otherUser, otherID, otherWords := log, log, log
	otherUser.UserID, otherID.RequestID, otherWords.WordCount = uuid.New(), uuid.New(), 3
	swapped := command.Log{UserID: log.RequestID, RequestID: log.UserID}

	assert.Equal(t, command.FingerprintOf(log), command.FingerprintOf(otherWords))
	for _, other := range []command.Log{otherUser, otherID, swapped} {
		assert.NotEqual(t, command.FingerprintOf(log), command.FingerprintOf(other))
	}
	fixed := command.Log{UserID: uuid.UUID{1}, RequestID: uuid.UUID{2}}
	assert.Equal(t, uint64(0x0e190b7c0e46a809), command.FingerprintOf(fixed), "replicas of all versions agree")
}

// brittleStore fails or panics when something is looked up, if it is told so.
type brittleStore struct {
	command.Store

	fails, panics atomic.Bool
}

func (s *brittleStore) Find(ctx context.Context, keys []command.Key) (command.RecordedLogs, error) {
	switch {
	case s.fails.CompareAndSwap(true, false):
		return nil, errors.New("it can't be found out")
	case s.panics.CompareAndSwap(true, false):
		panic("bang")
	default:
		return s.Store.Find(ctx, keys)
	}
}

func TestALogThatCanNotBeLookedUpIsWritten(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := &brittleStore{Store: command.NewStore(pool, pgtest.Nodes(t, pool))}
	heard := new(tally)
	recorder := command.NewRecorderOf(store, command.Config{Observer: heard})
	log := newLog(12, today)
	record(t, recorder, log)
	store.fails.Store(true)

	outcome := record(t, recorder, log)[0]

	assert.Equal(t, command.AlreadyRecorded, outcome.Status)
	assert.Equal(t, 1, heard.unknown)
	assert.Zero(t, recorder.Waiting())
	assertNoDrift(t, pool)
}

func TestAPanicInALookUpFailsItsLogsAlone(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := &brittleStore{Store: command.NewStore(pool, pgtest.Nodes(t, pool))}
	recorder := command.NewRecorderOf(store, command.Config{})
	log := newLog(12, today)
	record(t, recorder, log)
	store.panics.Store(true)

	assert.Equal(t, command.Failed, recorder.Record(t.Context(), []command.Log{log})[0].Status)
	assert.Equal(t, command.AlreadyRecorded, record(t, recorder, log)[0].Status)
	assert.Zero(t, recorder.Waiting())
}

// A large call that is looked up has turns, and what isn't found waits for its turn again.
func TestALargeCallOfWhichSomeLogsAreKnownHasAllItsOutcomes(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, heard := newObserved(t, pool)
	logs := newLogs(5000)
	users := newIDs(50)
	for i := range logs {
		logs[i].UserID = users[i%len(users)]
	}
	record(t, recorder, logs[:2500]...)

	outcomes := record(t, recorder, logs...)

	for i, outcome := range outcomes {
		expected := command.AlreadyRecorded
		if i >= 2500 {
			expected = command.Recorded
		}
		require.Equal(t, expected, outcome.Status, i)
		require.Equal(t, logs[i].RequestID, outcome.Log.RequestID)
	}
	assert.Equal(t, 2500, heard.lookedUp)
	assert.Equal(t, 2500, heard.unknown)
	assert.Equal(t, map[command.Status]int{command.Recorded: 5000, command.AlreadyRecorded: 2500}, heard.soFar())
	assert.Zero(t, recorder.Waiting())
	require.NoError(t, recorder.Close(t.Context()))
	assertNoDrift(t, pool)
}

// Some of each log's five posts meet it unknown, some in a lane, some recorded.
func TestAStormOfRetriesCountsEveryLogOnce(t *testing.T) {
	t.Parallel()
	const callers, logs = 8, 300
	url := pgtest.URL(t)
	var replicas []*command.Recorder
	for range 2 {
		pool := pgtest.Open(t, url)
		others := command.Config{Nodes: pgtest.Nodes(t, pool)}
		if len(replicas) > 0 {
			others.Peers = peer{replicas[0]}
		}
		replicas = append(replicas, command.NewRecorder(pool, others))
	}
	posted := newLogs(logs)
	users := newIDs(5)
	words := 0
	for i := range posted {
		posted[i].UserID = users[i%len(users)]
		words += posted[i].WordCount
	}
	var recorded atomic.Int64
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := range posted {
				log := posted[(i+caller/2)%logs]
				switch outcome := replicas[caller%2].Record(t.Context(), []command.Log{log})[0]; outcome.Status {
				case command.Recorded:
					recorded.Add(1)
				case command.AlreadyRecorded:
				default:
					assert.Fail(t, "an unexpected outcome", "%+v", outcome)
				}
			}
		})
	}
	all.Wait()

	pool := pgtest.Open(t, url)
	assert.EqualValues(t, logs, recorded.Load())
	assert.Equal(t, words, scan[int](t, pool, `SELECT sum(total_word_count)::int FROM learning_log_aggregates WHERE granularity = 'day'`))
	assertNoDrift(t, pool)
}
