package command_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestVoidUncountsALog(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := newRecorder(t, pool)
	kept, taken := newLog(12, today), newLog(30, today)
	taken.UserID = kept.UserID
	record(t, recorder, kept, taken)

	outcome := void(t, recorder, taken)[0]

	assert.Equal(t, command.Voided, outcome.Status)
	assert.Equal(t, taken.RequestID, outcome.Log.RequestID)
	assert.WithinDuration(t, time.Now(), outcome.Log.VoidedAt, time.Minute)
	assert.Equal(t, 12, wordsOf(t, pool, kept.UserID))
	assertNoDrift(t, pool)
}

func TestAVoidedLogStaysVoided(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, log := newRecorder(t, pool), newLog(12, today)
	record(t, recorder, log)
	first := void(t, recorder, log)[0]

	again := void(t, recorder, log)[0]
	retry := record(t, recorder, log)[0]
	other := log
	other.WordCount++
	reused := record(t, recorder, other)[0]

	assert.Equal(t, command.AlreadyVoided, again.Status)
	assert.Equal(t, first.Log, again.Log, "voiding it twice is the same as once")
	assert.Equal(t, command.Voided, retry.Status, "a late retry is never counted")
	assert.Equal(t, first.Log, retry.Log)
	assert.Equal(t, command.RequestIDReused, reused.Status, "its request id stays taken")
	assert.Zero(t, wordsOf(t, pool, log.UserID))
	assertNoDrift(t, pool)
}

func TestVoidOfALogThatThereIsNot(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, log := newRecorder(t, pool), newLog(12, today)
	record(t, recorder, log)
	others := log
	others.UserID = uuid.New()

	outcomes := void(t, recorder, newLog(1, today), others)

	assert.Equal(t, []command.Status{command.Unknown, command.Unknown}, statuses(outcomes))
	assert.Nil(t, outcomes[1].Log, "nobody is shown another user's log")
	assert.Equal(t, 12, wordsOf(t, pool, log.UserID))
	assertNoDrift(t, pool)
}

func TestVoidOfTheSameLogTwiceInOneCall(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, log := newRecorder(t, pool), newLog(12, today)
	record(t, recorder, log)

	outcomes := void(t, recorder, log, log)

	assert.Equal(t, []command.Status{command.Voided, command.AlreadyVoided}, statuses(outcomes))
	assertNoDrift(t, pool)
}

func TestReplace(t *testing.T) {
	t.Parallel()
	user := uuid.New()
	old := newLog(12, today)
	old.UserID = user
	foreign := newLog(7, today)
	replacement := newLog(20, "2026-11-23T08:00:00Z")
	replacement.UserID, replacement.Replaces = user, old.RequestID
	with := func(change func(*command.Log)) command.Log {
		changed := replacement
		change(&changed)
		return changed
	}
	plain := with(func(l *command.Log) { l.Replaces = uuid.Nil })
	for _, test := range []struct {
		name   string
		before []command.Log // recorded before, after old
		voided []command.Log // then voided
		log    command.Log
		want   command.Status
		words  int // of the user, in the end
	}{
		{name: "voids one log and records another", log: replacement, want: command.Recorded, words: 20},
		{
			name: "a retry", before: []command.Log{replacement},
			log: replacement, want: command.AlreadyRecorded, words: 20,
		},
		{
			name: "a retry with other words", before: []command.Log{replacement},
			log: with(func(l *command.Log) { l.WordCount++ }), want: command.RequestIDReused, words: 20,
		},
		{
			name: "of a log that there is not",
			log:  with(func(l *command.Log) { l.Replaces = uuid.New() }), want: command.ReplacedUnknown, words: 12,
		},
		{
			name: "of a log that was voided", voided: []command.Log{old},
			log: replacement, want: command.ReplacedUnknown,
		},
		{
			name: "of a log that was replaced", before: []command.Log{replacement},
			log: with(func(l *command.Log) { l.RequestID = uuid.New() }), want: command.ReplacedUnknown, words: 20,
		},
		{
			name: "of a replacement", before: []command.Log{replacement},
			log: with(func(l *command.Log) {
				l.RequestID, l.Replaces, l.WordCount = uuid.New(), replacement.RequestID, 3
			}),
			want: command.Recorded, words: 3,
		},
		{
			name: "of another user's log", before: []command.Log{foreign},
			log: with(func(l *command.Log) { l.Replaces = foreign.RequestID }), want: command.ReplacedUnknown, words: 12,
		},
		{
			name: "by a request id of another user", before: []command.Log{foreign},
			log: with(func(l *command.Log) { l.RequestID = foreign.RequestID }), want: command.RequestIDReused, words: 12,
		},
		{
			name: "by a log that was recorded by itself before", before: []command.Log{plain},
			log: replacement, want: command.RequestIDReused, words: 32,
		},
		{
			name: "by a log that was voided since", before: []command.Log{replacement}, voided: []command.Log{replacement},
			log: replacement, want: command.Voided,
		},
		{
			name: "by itself",
			log:  with(func(l *command.Log) { l.Replaces = l.RequestID }), want: command.Invalid, words: 12,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.log.RequestID == foreign.RequestID {
				needSharedIDs(t)
			}
			pool := pgtest.Pool(t)
			recorder := newRecorder(t, pool)
			record(t, recorder, append([]command.Log{old}, test.before...)...)
			void(t, recorder, test.voided...)

			outcome := record(t, recorder, test.log)[0]

			assert.Equal(t, test.want, outcome.Status)
			assert.Equal(t, test.words, wordsOf(t, pool, user))
			assertNoDrift(t, pool)
		})
	}
}

// A call is in order, so each log replaces what the one before it has recorded.
func TestReplacementsInOneCallFollowEachOther(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := newRecorder(t, pool)
	logs := newLogs(5)
	for i := range logs {
		logs[i].UserID, logs[i].WordCount = logs[0].UserID, 10+i
		if i > 0 {
			logs[i].Replaces = logs[i-1].RequestID
		}
	}

	outcomes := record(t, recorder, logs...)
	again := record(t, recorder, logs...)

	assert.Equal(t, slices.Repeat([]command.Status{command.Recorded}, len(logs)), statuses(outcomes))
	assert.Equal(t, command.AlreadyRecorded, again[len(logs)-1].Status)
	assert.Equal(t, slices.Repeat([]command.Status{command.Voided}, len(logs)-1), statuses(again[:len(logs)-1]))
	assert.Equal(t, 14, wordsOf(t, pool, logs[0].UserID))
	assertNoDrift(t, pool)
}

// Otherwise the client would record the replacement by itself, and then again what it replaces.
func TestAReplacementOfALogThatFailedHasFailedToo(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	store := holdAt(t, pool)
	store.release()
	recorder := command.NewRecorderOf(store, command.Config{Lanes: 1})
	logs := newLogs(4)
	for i := range logs {
		logs[i].UserID = logs[0].UserID
	}
	logs[1].Replaces, logs[2].Replaces, logs[3].Replaces = logs[0].RequestID, logs[1].RequestID, uuid.New()
	store.breakBefore()

	outcomes := recorder.Record(t.Context(), logs)
	again := record(t, recorder, logs...)

	assert.Equal(t, []command.Status{command.Failed, command.Failed, command.Failed, command.ReplacedUnknown}, statuses(outcomes))
	for _, failed := range outcomes[:3] {
		assert.ErrorIs(t, failed.Err, io.ErrUnexpectedEOF)
	}
	assert.Equal(t, []command.Status{command.Recorded, command.Recorded, command.Recorded, command.ReplacedUnknown}, statuses(again))
	assert.Equal(t, logs[2].WordCount, wordsOf(t, pool, logs[0].UserID))
	assertNoDrift(t, pool)
}

func TestALogMovesToTheDateOfItsReplacement(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := newRecorder(t, pool)
	wrong := newLog(12, "2024-01-09T14:00:00Z")
	right := wrong
	right.RequestID, right.Replaces, right.Zone = uuid.New(), wrong.RequestID, time.FixedZone("", 11*60*60)
	record(t, recorder, wrong)

	record(t, recorder, right)

	assert.Equal(t, []string{"2024-01-09 0", "2024-01-10 12"}, scan[[]string](t, pool, `
		SELECT array_agg(period || ' ' || total_word_count ORDER BY period)
		FROM learning_log_aggregates WHERE granularity = 'day'`))
	assertNoDrift(t, pool)
}

// Several replicas void, replace and retry the same logs at the same time.
func TestVoidsAndRetriesOnReplicas(t *testing.T) {
	t.Parallel()
	const replicas, rounds, size = 3, 6, 80
	url := pgtest.URL(t)
	pool := pgtest.Open(t, url)
	recorders := make([]*command.Recorder, replicas)
	for i := range recorders {
		recorders[i] = newRecorder(t, pgtest.Open(t, url))
	}
	users := newIDs(3)
	for range rounds {
		logs := newLogs(size)
		replacements := newLogs(size)
		for i := range logs {
			logs[i].UserID, replacements[i].UserID = users[i%len(users)], users[i%len(users)]
			replacements[i].Replaces = logs[i].RequestID
		}
		record(t, recorders[0], logs...)
		recorded := make([]int, size) // how often each replacement was recorded
		voided := make([]int, size)   // how often each log was voided
		var mu sync.Mutex
		var calls sync.WaitGroup
		for _, recorder := range recorders {
			calls.Go(func() {
				for i, outcome := range recorder.Void(context.Background(), targets(logs...)) {
					assert.Contains(t, []command.Status{command.Voided, command.AlreadyVoided}, outcome.Status, "%v", outcome.Err)
					if outcome.Status == command.Voided {
						mu.Lock()
						voided[i]++
						mu.Unlock()
					}
				}
			})
			calls.Go(func() {
				reversed := slices.Clone(replacements)
				slices.Reverse(reversed)
				for i, outcome := range recorder.Record(context.Background(), reversed) {
					assert.Contains(t, []command.Status{command.Recorded, command.AlreadyRecorded, command.ReplacedUnknown},
						outcome.Status, "%v", outcome.Err)
					if outcome.Status == command.Recorded {
						mu.Lock()
						recorded[size-1-i]++
						mu.Unlock()
					}
				}
			})
			calls.Go(func() {
				for _, outcome := range recorder.Record(context.Background(), logs) {
					assert.Contains(t, []command.Status{command.AlreadyRecorded, command.Voided}, outcome.Status, "%v", outcome.Err)
				}
			})
		}
		calls.Wait()
		for i := range logs {
			require.Equal(t, 1, recorded[i]+voided[i], "a log is voided once: by itself, or by its replacement")
		}
		require.Equal(t, slices.Repeat([]command.Status{command.AlreadyVoided}, size), statuses(void(t, recorders[0], logs...)))
	}
	assert.Zero(t, scan[int](t, pool, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
	assertNoDrift(t, pool)
}

func void(t require.TestingT, recorder *command.Recorder, logs ...command.Log) []command.Outcome {
	outcomes := recorder.Void(context.Background(), targets(logs...))
	require.Len(t, outcomes, len(logs))
	for _, outcome := range outcomes {
		require.NoError(t, outcome.Err)
	}
	return outcomes
}

func targets(logs ...command.Log) []command.Target {
	targets := make([]command.Target, len(logs))
	for i, log := range logs {
		targets[i] = command.Target{UserID: log.UserID, RequestID: log.RequestID}
	}
	return targets
}

// Logs that are carried from one service to another keep what became of them.
func TestALogIsRecordedAsVoided(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := newRecorder(t, pool)
	carried, counted := newLog(12, today), newLog(7, today)
	counted.UserID = carried.UserID
	carried.VoidedAt = instant("2026-11-22T09:00:00Z")

	first := record(t, recorder, carried, counted)
	again := record(t, recorder, carried)[0]
	retry := carried
	retry.VoidedAt = time.Time{}
	late := record(t, recorder, retry)[0]
	voidedElsewhere := counted
	voidedElsewhere.VoidedAt = instant("2026-11-22T09:00:00Z")
	reused := record(t, recorder, voidedElsewhere)[0]

	assert.Equal(t, []command.Status{command.Recorded, command.Recorded}, statuses(first))
	assert.Equal(t, carried.VoidedAt, first[0].Log.VoidedAt)
	assert.Equal(t, command.AlreadyRecorded, again.Status)
	assert.Equal(t, command.Voided, late.Status, "its request id is taken")
	assert.Equal(t, command.RequestIDReused, reused.Status, "a log that counts here isn't taken back by it")
	assert.Equal(t, 7, wordsOf(t, pool, carried.UserID))
	assertNoDrift(t, pool)
}

// Clients may be so eager that they void a log many times at once.
func TestEqualVoidsShareACommit(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, log := newRecorder(t, pool), newLog(12, today)
	record(t, recorder, log)
	observed := &tally{}
	eager := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Observer: observed})

	outcomes := void(t, eager, slices.Repeat([]command.Log{log}, 500)...)

	assert.Equal(t, command.Voided, outcomes[0].Status)
	assert.Equal(t, slices.Repeat([]command.Status{command.AlreadyVoided}, 499), statuses(outcomes[1:]))
	assert.Equal(t, 1, observed.batches)
	assertNoDrift(t, pool)
}

func TestALogThatWasTakenBackReplacesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, old := newRecorder(t, pool), newLog(12, today)
	record(t, recorder, old)
	carried := newLog(7, today)
	carried.UserID, carried.Replaces, carried.VoidedAt = old.UserID, old.RequestID, instant("2026-11-22T09:00:00Z")

	outcome := record(t, recorder, carried)[0]

	assert.Equal(t, command.Invalid, outcome.Status)
	assert.Equal(t, 12, wordsOf(t, pool, old.UserID))
}
