package rebuild_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

func dayOf(user uuid.UUID, day string, words int64) rebuild.SealedDay {
	return rebuild.SealedDay{UserID: user, Day: date(day), Sums: rollup.Sums{TotalWordCount: words, EntryCount: 2}}
}

func TestASealedDayIsRestoredIfNothingElseIsThere(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	voided := newLog(user(1), 5, "2026-01-20T08:00:00Z")
	record(t, pool, voided, newLog(user(1), 5, "2026-01-13T23:30:00-05:00"), newLog(user(2), 5, "2026-01-16T08:00:00Z"))
	command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).
		Void(t.Context(), []command.Target{{UserID: user(1), RequestID: voided.RequestID}})
	jobs := newErasing(t, pool, time.Millisecond)
	start(t, jobs)
	erase(t, jobs, user(3))
	restore := func(days ...rebuild.SealedDay) []rebuild.SealedDayOutcome {
		outcomes, err := jobs.RestoreSealedDays(t.Context(), days)
		require.NoError(t, err)
		assert.Empty(t, pgtest.Drift(t, pool))
		return outcomes
	}

	assert.Empty(t, restore())
	assert.Equal(t, []rebuild.SealedDayOutcome{
		rebuild.DayRestored, rebuild.DayRestored, rebuild.DayOfErased, rebuild.DayAlreadyThere, rebuild.DayConflicts,
		rebuild.DayConflicts, rebuild.DayRestored, rebuild.DayRestored, rebuild.DayConflicts, rebuild.DayRestored,
	}, restore(
		dayOf(user(2), "2026-01-17", 7),
		dayOf(user(1), "2026-01-16", 7), // where another learner has logs
		dayOf(user(3), "2026-01-16", 7),
		dayOf(user(2), "2026-01-17", 7),
		dayOf(user(2), "2026-01-17", 8),
		dayOf(user(1), "2026-01-13", 7),
		dayOf(user(1), "2026-01-14", 7), // the date of the log in UTC alone
		dayOf(user(1), "2026-01-20", 7), // where the log doesn't count
		dayOf(user(2), "2026-01-16", 7),
		dayOf(user(2), "0001-01-01", 7),
	))
	assert.Equal(t, []rebuild.SealedDayOutcome{rebuild.DayConflicts, rebuild.DayAlreadyThere, rebuild.DayRestored}, restore(
		dayOf(user(2), "2026-01-17", 8), dayOf(user(2), "2026-01-17", 7), dayOf(user(2), "9999-12-31", 7)))
}

func TestASealedDayThatManyRestoreIsCountedOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newErasing(t, pool, time.Millisecond)
	var days []rebuild.SealedDay
	for n := range 50 {
		days = append(days, rebuild.SealedDay{UserID: user(n % 3), Day: date("2026-01-01") + rollup.Date(n), Sums: rollup.Sums{EntryCount: 1}})
	}
	var restoring sync.WaitGroup
	restored := make(chan int, 8)
	for range cap(restored) {
		restoring.Go(func() {
			outcomes, err := jobs.RestoreSealedDays(context.Background(), days)
			if !assert.NoError(t, err) {
				return
			}
			count := 0
			for _, outcome := range outcomes {
				if outcome == rebuild.DayRestored {
					count++
				}
			}
			restored <- count
		})
	}
	restoring.Wait()
	close(restored)

	total := 0
	for count := range restored {
		total += count
	}
	assert.Equal(t, len(days), total)
	assert.EqualValues(t, len(days), scan[int64](t, pool, `SELECT sum(entry_count) FROM learning_log_aggregates WHERE granularity = 'day'`))
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestASealedDayThatTwoRestoreAtOnceIsNoConflict(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	jobs := newErasing(t, pool, 0)
	same := rebuild.SealedDay{UserID: uuid.New(), Day: date("2026-01-14"), Sums: rollup.Sums{TotalWordCount: 7, EntryCount: 2}}
	another := rebuild.SealedDay{UserID: uuid.New(), Day: date("2026-01-14"), Sums: rollup.Sums{TotalWordCount: 8, EntryCount: 2}}
	other, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = other.Exec(t.Context(), `INSERT INTO learning_log_sealed_days VALUES ($1, '2026-01-14', 7, 2), ($2, '2026-01-14', 7, 2)`,
		same.UserID, another.UserID)
	require.NoError(t, err)
	outcomes := make(chan []rebuild.SealedDayOutcome)
	go func() {
		defer close(outcomes)
		restored, err := jobs.RestoreSealedDays(t.Context(), []rebuild.SealedDay{same, another})
		assert.NoError(t, err)
		outcomes <- restored
	}()
	require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) == 1 }, 30*time.Second, 10*time.Millisecond)

	require.NoError(t, other.Commit(t.Context()))

	assert.Equal(t, []rebuild.SealedDayOutcome{rebuild.DayAlreadyThere, rebuild.DayConflicts}, <-outcomes)
	assert.Empty(t, rowsOf(t, pool, same.UserID), "whoever has restored it counts it")
}
