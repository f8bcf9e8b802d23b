package command_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/pgtest"
)

func TestReplicasWriteTheSameUsersAtTheSameTime(t *testing.T) {
	t.Parallel()
	const replicas, callers, rounds = 3, 4, 8
	url := pgtest.URL(t)
	users := newIDs(3)
	total := 0
	var calls sync.WaitGroup
	for replica := range replicas {
		recorder := newRecorder(t, pgtest.Open(t, url))
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

// Otherwise, a client that reuses request ids could delay all writers.
func TestRequestIDsThatAreReusedForOtherUsersDontDeadlock(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	const rounds, size = 8, 300
	url := pgtest.URL(t)
	pool := pgtest.Open(t, url)
	replicas := []*command.Recorder{newRecorder(t, pgtest.Open(t, url)), newRecorder(t, pgtest.Open(t, url))}
	for range rounds {
		logs := newLogs(size)
		slices.SortFunc(logs, func(a, b command.Log) int { return strings.Compare(a.UserID.String(), b.UserID.String()) })
		reused := slices.Clone(logs)
		for i := range reused { // so that the ids, in the order of the users, are in opposite orders
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

// Concurrent calls may be written in any order. But each request id is recorded
// once, and all other logs are compared with that log.
func TestConcurrentRecordsFollowTheirModel(t *testing.T) {
	t.Parallel()
	needSharedIDs(t)
	pool := pgtest.Pool(t)
	var run uint32 = 1 << 31
	rapid.Check(t, func(t *rapid.T) {
		run++
		requestIDs, users := drawIDs(t, run, 5), drawIDs(t, run, 2)
		lanes := rapid.IntRange(1, 3).Draw(t, "lanes")
		recorder := command.NewRecorder(pool, command.Config{
			Nodes:    pgtest.Nodes(t, pool),
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
				if lanes == 1 { // then the logs of different users are in the same order too
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
