package rebuild_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

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
