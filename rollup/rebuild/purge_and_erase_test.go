package rebuild_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/rollup/rebuild"
)

// A purge and an erasure meet at the logs of a user. Whichever has locked them first, nothing
// is left of the user.
func TestAUserIsErasedWhileTheirLogsArePurged(t *testing.T) {
	t.Parallel()
	for name, meet := range map[string]func(*meeting){
		"the erasure finds logs that are being purged": func(m *meeting) {
			m.purge()
			m.erase(func() {})
			m.awaitWaiting()
			m.commitPurge()
		},
		"the purge finds logs that are being erased": func(m *meeting) {
			purged := make(chan struct{})
			<-m.erase(func() {
				go func() {
					defer close(purged)
					m.purge()
					m.commitPurge()
				}()
				m.awaitWaiting()
			})
			<-purged
		},
		"a late log is being purged when the erasure looks once more": func(m *meeting) {
			<-m.erase(func() {
				record(m.t, m.pool, newLog(m.user, 5, "2025-01-10T08:00:00Z"))
				m.before = instant("2025-06-01T00:00:00Z") // no other log, as those are being erased
				m.purge()
			})
			require.Eventually(m.t, func() bool {
				return scan[bool](m.t, m.pool, `SELECT coalesce(bool_and(emptied_at + interval '1 second' < now()), false) FROM learninglog_erased_users`)
			}, 30*time.Second, 10*time.Millisecond)
			assert.True(m.t, scan[bool](m.t, m.pool, `SELECT done_at IS NULL FROM learninglog_erased_users`), "it waits")
			m.commitPurge()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &meeting{t: t, pool: pgtest.Pool(t), user: uuid.New(), before: instant("2026-03-01T00:00:00Z")}
			other := uuid.New()
			for _, user := range []uuid.UUID{m.user, other} {
				record(t, m.pool, newLog(user, 5, "2026-01-31T20:00:00Z"), newLog(user, 7, "2026-02-01T20:00:00Z"),
					newLog(user, 9, "2026-02-02T20:00:00Z")) // of a chunk and a half
				execute(t, m.pool, `INSERT INTO learning_log_sealed_days VALUES ($1, '2026-01-31', 50, 3)`, user)
			}
			workAll(t, m.pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 100})
			before := rowsOf(t, m.pool, other)

			meet(m)

			await(t, m.jobs, m.erasure, "the user is erased", isCompleted)
			assert.Equal(t, map[string]int64{"public.learninglog_erased_users": 1}, rowsNaming(t, m.pool, m.user))
			assert.Equal(t, before, rowsOf(t, m.pool, other))
			assert.Empty(t, pgtest.Drift(t, m.pool))
		})
	}
}

// meeting is that of a purge and an erasure.
type meeting struct {
	t       *testing.T
	pool    *pgxpool.Pool
	user    uuid.UUID
	before  time.Time // of the purge
	purging pgx.Tx
	jobs    *rebuild.Jobs
	erasure int64
}

// purge purges the logs of the user, and doesn't commit it.
func (m *meeting) purge() {
	var err error
	m.purging, err = m.pool.Begin(context.Background())
	if assert.NoError(m.t, err) {
		part := rebuild.Part{From: m.user, Last: m.user}
		_, err = rebuild.PurgeChunk(context.Background(), m.purging, m.before, part, rebuild.ChunkOptions{MaxLogs: 100})
		assert.NoError(m.t, err)
	}
}

func (m *meeting) commitPurge() { assert.NoError(m.t, m.purging.Commit(context.Background())) }

// erase begins to erase the user. A function is called when what there is was deleted, before
// that is committed; then the channel is closed.
func (m *meeting) erase(meanwhile func()) (called <-chan struct{}) {
	calling, once := make(chan struct{}), new(sync.Once)
	m.jobs = newErasing(m.t, m.pool, 10*time.Millisecond, func(context.Context, pgx.Tx, uuid.UUID) error {
		once.Do(func() {
			meanwhile()
			close(calling)
		})
		return nil
	})
	start(m.t, m.jobs)
	requested, err := m.jobs.Erase(m.t.Context(), []uuid.UUID{m.user})
	require.NoError(m.t, err)
	m.erasure = requested.ID
	return calling
}

// awaitWaiting returns when one of them waits for the other.
func (m *meeting) awaitWaiting() {
	assert.Eventually(m.t, func() bool { return pgtest.Waiting(m.t, m.pool, 0) == 1 }, 30*time.Second, time.Millisecond)
}
