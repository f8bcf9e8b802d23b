package command_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestRecordCountsALogInItsDayWeekAndMonth(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	log := newLog(12, "2026-11-22T23:59:59.9999999Z")

	outcome := record(t, newRecorder(t, pool), log)[0]

	assert.Equal(t, command.Recorded, outcome.Status)
	assert.Equal(t, log.RequestID, outcome.Log.RequestID)
	assert.Equal(t, instant("2026-11-22T23:59:59.999999Z"), outcome.Log.Timestamp,
		"to the microsecond, and never rounded into the next day")
	assert.WithinDuration(t, time.Now(), outcome.Log.RecordedAt, time.Minute)
	rollups := scan[[]string](t, pool, `
		SELECT array_agg(format('%s %s: %s words, %s entries', granularity, period,
		                        total_word_count, entry_count) ORDER BY granularity)
		FROM learning_log_aggregates WHERE user_id = $1`, log.UserID)
	assert.Equal(t, []string{
		"day 2026-11-22: 12 words, 1 entries",
		"week 2026-11-16: 12 words, 1 entries",
		"month 2026-11-01: 12 words, 1 entries",
	}, rollups)
}

func TestRecordOutcomes(t *testing.T) {
	t.Parallel()
	log := newLog(12, "2026-11-22T08:00:00.123456Z")
	with := func(change func(*command.Log)) command.Log {
		changed := log
		change(&changed)
		return changed
	}
	for _, test := range []struct {
		name   string
		second command.Log
		want   command.Status
		known  bool
	}{
		{"the same log again", log, command.AlreadyRecorded, true},
		{"the same instant in another zone", with(func(l *command.Log) {
			l.Timestamp = l.Timestamp.In(time.FixedZone("", 3600))
		}), command.AlreadyRecorded, true},
		{"the same instant but for nanoseconds, which aren't kept", with(func(l *command.Log) {
			l.Timestamp = l.Timestamp.Add(999)
		}), command.AlreadyRecorded, true},
		{"a timestamp that is left out takes no part", with(func(l *command.Log) { l.Timestamp = time.Time{} }), command.AlreadyRecorded, true},
		{"other words", with(func(l *command.Log) { l.WordCount++ }), command.RequestIDReused, true},
		{"another time", with(func(l *command.Log) { l.Timestamp = l.Timestamp.Add(time.Microsecond) }), command.RequestIDReused, true},
		{"another user, who isn't shown the log", with(func(l *command.Log) { l.UserID = uuid.New() }), command.RequestIDReused, false},
		{"another log", newLog(12, "2026-11-22T08:00:00Z"), command.Recorded, true},
	} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in one batch: %t", test.name, together), func(t *testing.T) {
				t.Parallel()
				if test.second.UserID != log.UserID && test.second.RequestID == log.RequestID {
					needSharedIDs(t)
				}
				pool := pgtest.Pool(t)
				recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 1})

				var first, second command.Outcome
				if together {
					outcomes := record(t, recorder, log, test.second)
					first, second = outcomes[0], outcomes[1]
				} else {
					first = record(t, recorder, log)[0]
					second = record(t, recorder, test.second)[0]
				}

				assert.Equal(t, command.Recorded, first.Status)
				assert.Equal(t, test.want, second.Status)
				assert.Equal(t, test.known, second.Log != nil)
				if test.want != command.Recorded && test.known {
					assert.Equal(t, first.Log, second.Log, "the recorded log is returned")
				}
				assert.Empty(t, pgtest.Drift(t, pool))
			})
		}
	}
}

func TestRecordKeepsBadLogsFromTheirNeighbours(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	good, bad := newLog(1, "2026-11-22T08:00:00Z"), newLog(-1, "2026-11-22T08:00:00Z")
	repaired := bad
	repaired.WordCount = 5

	outcomes := record(t, newRecorder(t, pool), bad, good, repaired)

	assert.Equal(t, []command.Status{command.Invalid, command.Recorded, command.Recorded}, statuses(outcomes),
		"an invalid log doesn't use its request id up")
	assert.Equal(t, []command.FieldError{{Field: "word_count", Expected: "must be a whole number from 0 to 1000000", Value: -1}}, outcomes[0].Errors)
	assert.Nil(t, outcomes[0].Log)
	assert.Equal(t, 2, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
}

// Whether a log is a user's own doesn't depend on the other logs in the batch.
func TestRecordJudgesEachLogByItsOwnUser(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	pool := pgtest.Pool(t)
	recorder, log := newRecorder(t, pool), newLog(12, "2026-11-22T08:00:00Z")
	record(t, recorder, log)
	others := log
	others.UserID = uuid.New()

	outcomes := record(t, recorder, others, log)

	assert.Equal(t, []command.Status{command.RequestIDReused, command.AlreadyRecorded}, statuses(outcomes))
	assert.Nil(t, outcomes[0].Log)
	assert.Equal(t, log.RequestID, outcomes[1].Log.RequestID)
}

// Which log is recorded may depend on the lanes of the users.
func TestRecordOfOneRequestIDForManyUsersRecordsOne(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	const users = 8
	for _, test := range []struct {
		name string
		// calls divides the logs among calls.
		calls func(logs []command.Log) [][]command.Log
	}{
		{"in one call", func(logs []command.Log) [][]command.Log { return [][]command.Log{logs} }},
		{"in calls at the same time", func(logs []command.Log) [][]command.Log { return slices.Collect(slices.Chunk(logs, 1)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 4})
			for range 20 {
				logs := newLogs(users)
				for i := range logs {
					logs[i].RequestID = logs[0].RequestID
				}
				var calls []*call
				for _, together := range test.calls(logs) {
					calls = append(calls, submit(recorder, together...))
				}
				var outcomes []command.Outcome
				for _, caller := range calls {
					outcomes = append(outcomes, caller.wait(t)...)
				}

				counts := make(map[command.Status]int)
				for i, outcome := range outcomes {
					counts[outcome.Status]++
					if outcome.Status == command.Recorded {
						assert.Equal(t, logs[i].UserID, outcome.Log.UserID)
						assert.Equal(t, command.AlreadyRecorded, record(t, recorder, logs[i])[0].Status)
					} else {
						assert.Nil(t, outcome.Log, "nobody is shown another's log")
						assert.Equal(t, command.RequestIDReused, record(t, recorder, logs[i])[0].Status)
					}
				}
				require.Equal(t, map[command.Status]int{command.Recorded: 1, command.RequestIDReused: users - 1}, counts)
			}
			assertNoDrift(t, pool)
		})
	}
}

func TestRecordOfATimestampThatIsLeftOut(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	log := newLog(12, "2026-11-22T08:00:00Z")
	log.Timestamp = time.Time{}

	outcome := record(t, newRecorder(t, pool), log)[0]

	assert.WithinDuration(t, time.Now(), outcome.Log.Timestamp, time.Minute)
	assert.Equal(t, outcome.Log.RecordedAt, outcome.Log.Timestamp, "it is the time of recording, by the clock of the database")
}

func TestRecordOfNothing(t *testing.T) {
	t.Parallel()
	assert.Empty(t, record(t, newRecorder(t, pgtest.Pool(t))))
}

func TestRecordFailsAsAWhole(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()

	outcome := newRecorder(t, pool).Record(ctx, []command.Log{newLog(1, "2026-11-22T08:00:00Z")})[0]

	assert.Equal(t, command.Failed, outcome.Status)
	require.ErrorIs(t, outcome.Err, context.Canceled)
}

func TestRecordOfTheSameLogAtTheSameTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder, log := newRecorder(t, pool), newLog(12, "2026-11-22T08:00:00Z")
	got := make([]command.Status, 16)
	var clients sync.WaitGroup
	for i := range got {
		clients.Go(func() { got[i] = record(t, recorder, log)[0].Status })
	}
	clients.Wait()

	counts := make(map[command.Status]int)
	for _, status := range got {
		counts[status]++
	}
	assert.Equal(t, map[command.Status]int{command.Recorded: 1, command.AlreadyRecorded: 15}, counts)
	assert.Equal(t, 1, scan[int](t, pool, `SELECT sum(entry_count)::int FROM learning_log_aggregates WHERE granularity = 'day'`))
}

// Batches with the same logs and users in opposite orders would deadlock if they
// locked them in those orders.
func TestRecordOfOverlappingBatches(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := newRecorder(t, pool)
	users := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	for round := range 15 {
		common := make([]command.Log, 60)
		for i := range common {
			common[i] = newLog(i, "2026-11-22T08:00:00Z")
			common[i].UserID = users[i%len(users)]
			common[i].Timestamp = common[i].Timestamp.AddDate(0, 0, -i%20) // many periods, so that their order matters
		}
		recorded := make([]int, 6)
		var clients sync.WaitGroup
		for client := range recorded {
			clients.Go(func() {
				var mine []command.Log
				random := rand.New(rand.NewPCG(uint64(round), uint64(client)))
				for _, place := range random.Perm(len(common)) {
					mine = append(mine, common[place])
				}
				for range common { // and as many different logs of the same users and days
					log := mine[random.IntN(len(common))]
					log.RequestID = uuid.New()
					mine = append(mine, log)
				}
				for _, status := range statuses(record(t, recorder, mine...)) {
					switch status {
					case command.Recorded:
						recorded[client]++
					case command.AlreadyRecorded:
					default:
						assert.Fail(t, "unexpected outcome", status)
					}
				}
			})
		}
		clients.Wait()
		total := 0
		for _, n := range recorded {
			total += n
		}
		require.Equal(t, len(common)+len(recorded)*len(common), total, "each log was recorded by exactly one client")
	}
	assert.Empty(t, pgtest.Drift(t, pool))
	assert.Zero(t, scan[int](t, pool, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`))
}

// A model of the write side: a map of what was recorded first. There is only one
// lane, so that the model also holds if users reuse each other's request ids.
func TestRecordFollowsItsModel(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Lanes: 1})
	var run uint32
	rapid.Check(t, func(t *rapid.T) {
		// A few ids and users that only this run uses, so that they collide.
		run++
		requestIDs, users := drawIDs(t, run, 6), drawIDs(t, run, 2)
		model := make(map[uuid.UUID]command.Log)
		calls := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) command.Log {
			log := command.Log{
				RequestID: rapid.SampledFrom(requestIDs).Draw(t, "request id"),
				UserID:    rapid.SampledFrom(users).Draw(t, "user"),
				WordCount: rapid.SampledFrom([]int{0, 1, 1_000_000, 1_000_001, -1}).Draw(t, "words"),
			}
			day := rapid.IntRange(0, 3).Draw(t, "day")
			if day > 0 { // otherwise it is left out
				log.Timestamp = time.Date(2025, 12, 28+day, 12, 0, 0, 0, time.UTC)
			}
			return log
		}), 0, 6), 1, 5).Draw(t, "calls")

		for _, logs := range calls {
			want := make([]command.Status, len(logs))
			for i, log := range logs {
				want[i] = expect(model, log)
			}
			outcomes := record(t, recorder, logs...)
			require.Equal(t, want, statuses(outcomes))
			for i, outcome := range outcomes {
				if outcome.Status == command.Recorded && logs[i].Timestamp.IsZero() {
					log := model[logs[i].RequestID]
					log.Timestamp = outcome.Log.Timestamp // now it is known
					model[logs[i].RequestID] = log
				}
			}
		}
		assertRollups(t, pool, users, model)
	})
	assert.Empty(t, pgtest.Drift(t, pool))
}

func newIDs(n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
	}
	return ids
}

// drawIDs draws ids that no other run has. They have the same order in a replay.
func drawIDs(t *rapid.T, run uint32, n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		binary.BigEndian.PutUint32(ids[i][:], run)
		copy(ids[i][4:], rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, "id"))
	}
	return ids
}

// expect returns the expected outcome of a log, and stores the log if it is
// recorded.
func expect(model map[uuid.UUID]command.Log, log command.Log) command.Status {
	if log.WordCount < 0 || log.WordCount > 1_000_000 {
		return command.Invalid
	}
	known, taken := model[log.RequestID]
	switch {
	case !taken:
		model[log.RequestID] = log
		return command.Recorded
	case known.UserID == log.UserID && known.WordCount == log.WordCount &&
		(log.Timestamp.IsZero() || known.Timestamp.Equal(log.Timestamp)):
		return command.AlreadyRecorded
	default:
		return command.RequestIDReused
	}
}

func assertRollups(t *rapid.T, pool *pgxpool.Pool, users []uuid.UUID, model map[uuid.UUID]command.Log) {
	for _, user := range users {
		words, entries := 0, 0
		for _, log := range model {
			if log.UserID == user {
				words += log.WordCount
				entries++
			}
		}
		for _, granularity := range []string{"day", "week", "month"} {
			const query = `
				SELECT ARRAY[coalesce(sum(total_word_count), 0), coalesce(sum(entry_count), 0)]::int[]
				FROM learning_log_aggregates WHERE user_id = $1 AND granularity = $2`
			require.Equal(t, []int{words, entries}, scan[[]int](t, pool, query, user, granularity), "%s", granularity)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	now := instant("2026-11-22T08:00:00Z")
	limits := command.DefaultLimits()
	for _, test := range []struct {
		name   string
		change func(*command.Log)
		wrong  []string
	}{
		{"no words", func(l *command.Log) { l.WordCount = 0 }, nil},
		{"the most words", func(l *command.Log) { l.WordCount = 1_000_000 }, nil},
		{"too many words", func(l *command.Log) { l.WordCount = 1_000_001 }, []string{"word_count"}},
		{"negative words", func(l *command.Log) { l.WordCount = -1 }, []string{"word_count"}},
		{"the first instant", func(l *command.Log) { l.Timestamp = instant("2000-01-01T00:00:00Z") }, nil},
		{"before the first instant", func(l *command.Log) { l.Timestamp = instant("1999-12-31T23:59:59.999999Z") }, []string{"timestamp"}},
		{"as far ahead as may be", func(l *command.Log) { l.Timestamp = instant("2026-11-23T08:00:00Z") }, nil},
		{"too far ahead", func(l *command.Log) { l.Timestamp = instant("2026-11-23T08:00:00.000001Z") }, []string{"timestamp"}},
		{"no timestamp", func(l *command.Log) { l.Timestamp = time.Time{} }, nil},
		{"nil UUIDs", func(l *command.Log) { l.RequestID, l.UserID = uuid.Nil, uuid.Nil }, []string{"request_id", "user_id"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := newLog(12, "2026-11-22T08:00:00Z")
			test.change(&log)
			var wrong []string
			for _, err := range limits.Check(log, now) {
				wrong = append(wrong, err.Field)
			}
			assert.Equal(t, test.wrong, wrong)
		})
	}
}
