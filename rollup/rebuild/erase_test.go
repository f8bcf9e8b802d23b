package rebuild_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/erased"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/sharding"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// newErasing returns a queue in which erasures settle soon.
func newErasing(t *testing.T, pool *pgxpool.Pool, settles time.Duration, forget ...rebuild.Forget) *rebuild.Jobs {
	t.Helper()
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{
		Schema: postgres.RiverSchema, ChunkLogs: 2, EraseSettleTime: settles, Forget: forget, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	return jobs
}

func erase(t *testing.T, jobs *rebuild.Jobs, users ...uuid.UUID) rebuild.Progress {
	t.Helper()
	requested, err := jobs.Erase(t.Context(), users)
	require.NoError(t, err)
	return await(t, jobs, requested.ID, "the users are erased", isCompleted)
}

// rowsNaming returns how many rows of each table name a user, in whatever column.
func rowsNaming(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) map[string]int64 {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
		WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(tables), 10)
	naming := make(map[string]int64)
	for _, table := range tables {
		found := scan[int64](t, pool, `SELECT count(*) FROM `+table+` AS one WHERE strpos(one::text, $1) > 0`, user.String())
		if found > 0 {
			naming[table] = found
		}
	}
	return naming
}

func TestAnErasedUserIsInNoTableAndTheOthersAreAsTheyWere(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	gone, other := uuid.New(), uuid.New()
	for _, user := range []uuid.UUID{gone, other} {
		record(t, pool, newLog(user, 5, "2026-01-31T20:00:00Z"), newLog(user, 7, "2026-02-01T08:00:00+14:00"), newLog(user, 1, "2026-02-03T08:00:00Z"),
			newLog(user, 9, "2026-02-04T08:00:00Z"))
		execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 4711 WHERE user_id = $1 AND granularity = 'month'`, user)
	}
	voided := newLog(gone, 3, "2026-02-04T08:00:00Z")
	record(t, pool, voided)
	command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).
		Void(t.Context(), []command.Target{{UserID: gone, RequestID: voided.RequestID}})
	execute(t, pool, `INSERT INTO learning_log_sealed_days VALUES ($1, '2025-01-31', 50, 3), ($2, '2025-01-31', 60, 3)`, gone, other)
	execute(t, pool, `INSERT INTO learning_log_settings (user_id, display_name) VALUES ($1, 'Mia'), ($2, 'Jonas')`, gone, other)
	jobs := newErasing(t, pool, 10*time.Millisecond)
	start(t, jobs)
	found := insert(t, jobs, rebuild.Args{DryRun: true}).Job.ID
	insert(t, jobs, rebuild.Args{DryRun: true, Scope: rebuild.Scope{Users: []uuid.UUID{gone, other}}})
	await(t, jobs, found, "the drift is found", isCompleted)
	execute(t, pool, `INSERT INTO learning_log_verifications VALUES ('routine', 1, now(), now(), 1, 1, 1, 0, ARRAY[$1, $2]::uuid[], $1)
		ON CONFLICT (verification) DO UPDATE SET drifted_users = excluded.drifted_users`, gone, other)
	before := rowsOf(t, pool, other)
	require.Greater(t, len(rowsNaming(t, pool, gone)), 3)

	progress := erase(t, jobs, gone)

	assert.EqualValues(t, 1, progress.UsersDone)
	assert.EqualValues(t, 5, progress.LogsDone)
	assert.Equal(t, map[string]int64{"public.learninglog_erased_users": 1}, rowsNaming(t, pool, gone))
	assert.Equal(t, before, rowsOf(t, pool, other))
	assert.EqualValues(t, 4, scan[int64](t, pool, `SELECT count(*) FROM learning_log WHERE user_id = $1`, other))
	assert.EqualValues(t, 1, scan[int64](t, pool, `SELECT count(*) FROM learning_log_settings WHERE user_id = $1`, other))
	erasures, err := jobs.Erasures(t.Context(), uuid.Nil, 10)
	require.NoError(t, err)
	require.Len(t, erasures, 1)
	assert.Equal(t, gone, erasures[0].UserID)
	assert.NotNil(t, erasures[0].DoneAt)
}

// What is written of the user until all know is deleted too, and of nobody anything is lost
// or counted twice, at any commit.
func TestUsersAreErasedWhileEverybodyWritesAndRebuildsAndRezones(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	gone, other := uuid.New(), uuid.New()
	writing, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan struct{})
	recorded := 0
	go func() {
		defer close(done)
		users := erased.NewUsers(pool, slog.New(slog.DiscardHandler))
		go users.Run(writing)
		recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Erased: users})
		for writing.Err() == nil {
			outcomes := recorder.Record(context.Background(), []command.Log{
				unzoned(gone, 5, "2026-01-31T20:00:00Z"), unzoned(other, 7, "2026-01-31T20:00:00Z"),
			})
			assert.Contains(t, []command.Status{command.Recorded, command.Erased}, outcomes[0].Status)
			assert.Equal(t, command.Recorded, outcomes[1].Status)
			recorded++
		}
	}()
	jobs := newErasing(t, pool, erased.Known+time.Second)
	start(t, jobs)
	require.Eventually(t, func() bool {
		return scan[int64](t, pool, `SELECT count(*) FROM learning_log WHERE user_id = $1`, gone) > 100
	}, time.Minute, time.Millisecond)
	requested, err := jobs.Erase(t.Context(), []uuid.UUID{gone})
	require.NoError(t, err)
	ended := func() bool {
		job, err := jobs.Get(t.Context(), requested.ID)
		require.NoError(t, err)
		return job.Ended()
	}
	for zones := []string{"Asia/Tokyo", "Europe/Berlin"}; !ended(); zones[0], zones[1] = zones[1], zones[0] {
		execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1 WHERE user_id = $1 AND granularity = 'week'`, gone)
		_, err := jobs.Request(t.Context(), rebuild.Args{})
		require.NoError(t, err)
		rezone := insert(t, jobs, rebuild.Args{TimeZone: zones[0]})
		await(t, jobs, rezone.Job.ID, "ended", func(job *rivertype.JobRow, _ rebuild.Progress) bool { return job.FinalizedAt != nil })
	}
	stop()
	<-done

	require.Eventually(t, func() bool {
		unfinished, err := jobs.Client().JobList(t.Context(), nil)
		require.NoError(t, err)
		for _, job := range unfinished.Jobs {
			if job.FinalizedAt == nil && job.State != rivertype.JobStateCompleted {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond)
	assert.Empty(t, rowsOf(t, pool, gone))
	assert.Zero(t, scan[int64](t, pool, `SELECT count(*) FROM learning_log WHERE user_id = $1`, gone))
	assert.EqualValues(t, recorded, scan[int64](t, pool, `SELECT count(*) FROM learning_log WHERE user_id = $1`, other))
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestSumsAreRightAtEveryCommitOfAnErasure(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	for range 10 {
		record(t, pool, newLog(user, 5, "2026-01-31T20:00:00Z"), newLog(user, 5, "2026-02-01T20:00:00Z"))
	}
	execute(t, pool, `INSERT INTO learning_log_sealed_days VALUES ($1, '2025-01-31', 50, 3)`, user)
	workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 100})
	jobs := newErasing(t, pool, 10*time.Millisecond)
	_, err := jobs.Erase(t.Context(), []uuid.UUID{user})
	require.NoError(t, err)
	start(t, jobs)

	require.Eventually(t, func() bool {
		assert.Empty(t, pgtest.Drift(t, pool))
		erasures, err := jobs.Erasures(t.Context(), uuid.Nil, 1)
		return assert.NoError(t, err) && erasures[0].DoneAt != nil
	}, 30*time.Second, time.Microsecond)
}

// Others may know of it only when it is committed, and that may be long after it was begun.
func TestAnErasureSettlesFromWhenItIsSeen(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	const settles = 500 * time.Millisecond
	execute(t, pool, `INSERT INTO learninglog_erased_users (user_id, erased_at) VALUES ($1, now() - interval '1 hour')`, uuid.New())
	seen := scan[time.Time](t, pool, `SELECT clock_timestamp()`)

	start(t, newErasing(t, pool, settles))

	require.Eventually(t, func() bool {
		return scan[bool](t, pool, `SELECT done_at IS NOT NULL FROM learninglog_erased_users`)
	}, 30*time.Second, 10*time.Millisecond)
	assert.GreaterOrEqual(t, scan[time.Time](t, pool, `SELECT done_at FROM learninglog_erased_users`).Sub(seen), settles)
	assert.GreaterOrEqual(t, scan[float64](t, pool, `
		SELECT extract(epoch FROM done_at - emptied_at)::float8 FROM learninglog_erased_users`), settles.Seconds())
}

func TestAnErasureWaitsForATransactionThatWritesALog(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) sharding.Pool{
		"at the server, or through the coordinator": func(_ *testing.T, pool *pgxpool.Pool, _ uuid.UUID) sharding.Pool { return pool },
		"at a node": func(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) sharding.Pool {
			t.Helper()
			return nodesOf(t, pool).At(user)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, user := pgtest.Pool(t), uuid.New()
			slow, err := at(t, pool, user).Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = slow.Rollback(context.Background()) }()
			_, err = slow.Exec(t.Context(), `INSERT INTO learning_log VALUES (gen_random_uuid(), $1, 5, now())`, user)
			require.NoError(t, err)

			assertErasedAfter(t, pool, user, func() { require.NoError(t, slow.Commit(t.Context())) })
		})
	}
}

// Whoever was judged before the erasure may still be setting or sharing something.
func TestAnErasureWaitsForSettingsAndShareLinksThatAreBeingWritten(t *testing.T) {
	t.Parallel()
	for what, insert := range map[string]string{
		"settings": `INSERT INTO learning_log_settings (user_id, display_name) VALUES ($1, 'Mia')`,
		"a share link": `INSERT INTO learninglog_share_links (user_id, hash, name, expires_at)
			VALUES ($1, sha256('secret'), 'Grandma', now() + interval '1 day')`,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			pool, user := pgtest.Pool(t), uuid.New()
			slow, err := pool.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = slow.Rollback(context.Background()) }()
			_, err = slow.Exec(t.Context(), insert, user)
			require.NoError(t, err)

			assertErasedAfter(t, pool, user, func() { require.NoError(t, slow.Commit(t.Context())) })
		})
	}
}

// If the coordinator crashes while it commits at several nodes, what it has prepared at one
// of them is committed later.
func TestAnErasureWaitsForAPreparedTransaction(t *testing.T) {
	t.Parallel()
	for table, insert := range map[string]string{
		"learning_log":             `(request_id, user_id, word_count, "timestamp") VALUES (gen_random_uuid(), $1, 5, now())`,
		"learning_log_aggregates":  `VALUES ($1, 'day', '2026-01-14', 5, 1)`,
		"learning_log_sealed_days": `VALUES ($1, '2026-01-14', 5, 1)`,
		"learning_log_settings":    `(user_id, freeze_days) VALUES ($1, 1)`,
	} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			pool, user := pgtest.Pool(t), uuid.New()
			at := nodesOf(t, pool).At(user)
			shard := scan[int64](t, pool, `SELECT get_shard_id_for_distribution_column($1::regclass, $2::uuid)`, table, user)
			slow, err := at.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = slow.Rollback(context.Background()) }()
			_, err = slow.Exec(t.Context(), `SET LOCAL citus.enable_manual_changes_to_shards TO on`)
			require.NoError(t, err)
			_, err = slow.Exec(t.Context(), fmt.Sprintf(`INSERT INTO %s_%d %s`, table, shard, insert), user)
			require.NoError(t, err)
			_, err = slow.Exec(t.Context(), fmt.Sprintf(`PREPARE TRANSACTION '%s'`, user))
			require.NoError(t, err)
			end := func(how string) error {
				rows, err := at.Query(context.Background(), fmt.Sprintf(`%s PREPARED '%s'`, how, user))
				if err == nil {
					rows.Close()
					err = rows.Err()
				}
				return err
			}
			defer func() { _ = end("ROLLBACK") }()

			assertErasedAfter(t, pool, user, func() { require.NoError(t, end("COMMIT")) })
		})
	}
}

// nodesOf returns the nodes of the cluster of a test.
func nodesOf(t *testing.T, pool *pgxpool.Pool) *sharding.Nodes {
	t.Helper()
	if !pgtest.Distributed() {
		t.Skip("TEST_CITUS_URL says where a Citus cluster is; it isn't set")
	}
	return pgtest.Nodes(t, pool)
}

// assertErasedAfter asserts that a user is erased, but not before something has ended that
// writes of the user.
func assertErasedAfter(t *testing.T, pool *pgxpool.Pool, user uuid.UUID, end func()) {
	t.Helper()
	jobs := newErasing(t, pool, 10*time.Millisecond, func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
		_, err := tx.Exec(ctx, `DELETE FROM learninglog_share_links WHERE user_id = $1`, user)
		return err
	})
	start(t, jobs)
	requested, err := jobs.Erase(t.Context(), []uuid.UUID{user})
	require.NoError(t, err)
	emptied := func() bool {
		return scan[bool](t, pool, `SELECT emptied_at + interval '1 second' < now() FROM learninglog_erased_users WHERE emptied_at IS NOT NULL
			UNION ALL SELECT false LIMIT 1`)
	}
	require.Eventually(t, emptied, 30*time.Second, 10*time.Millisecond)
	assert.True(t, scan[bool](t, pool, `SELECT done_at IS NULL FROM learninglog_erased_users`), "it waits")
	end()

	await(t, jobs, requested.ID, "it is done", isCompleted)
	assert.Equal(t, map[string]int64{"public.learninglog_erased_users": 1}, rowsNaming(t, pool, user))
}

// Whoever is put on the list while sealed days are restored is so afterwards.
func TestSealedDaysThatAreBeingRestoredAreErased(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	record(t, pool, newLog(user, 5, "2026-01-31T20:00:00Z"))
	jobs := newErasing(t, pool, 10*time.Millisecond)
	start(t, jobs)
	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = blocker.Rollback(context.Background()) }()
	_, err = blocker.Exec(t.Context(), `SELECT FROM learning_log_aggregates WHERE user_id = $1 FOR UPDATE`, user)
	require.NoError(t, err)
	restored, erased := make(chan rebuild.SealedDayOutcome, 1), make(chan rebuild.Requested, 1)
	go func() {
		day := rebuild.SealedDay{UserID: user, Day: date("2026-01-14"), Sums: rollup.Sums{TotalWordCount: 7, EntryCount: 1}}
		outcomes, err := jobs.RestoreSealedDays(context.Background(), []rebuild.SealedDay{day})
		if assert.NoError(t, err) {
			restored <- outcomes[0]
		}
		close(restored)
	}()
	wait := func(count int) {
		require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) == count }, 30*time.Second, time.Millisecond)
	}
	wait(1)
	go func() {
		requested, err := jobs.Erase(context.Background(), []uuid.UUID{user})
		assert.NoError(t, err)
		erased <- requested
	}()
	wait(2)
	assert.Zero(t, scan[int](t, pool, `SELECT count(*) FROM learninglog_erased_users`))

	require.NoError(t, blocker.Rollback(t.Context()))

	assert.Equal(t, rebuild.DayRestored, <-restored)
	await(t, jobs, (<-erased).ID, "it is done", isCompleted)
	assert.Equal(t, map[string]int64{"public.learninglog_erased_users": 1}, rowsNaming(t, pool, user))
}

// The list says who is erased, not the job: so nothing is left undone when a job is cancelled,
// or has just ended when somebody was put on the list.
func TestWhoeverIsOnTheListIsErasedWhateverBecomesOfJobs(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	record(t, pool, newLog(user, 5, "2026-01-31T20:00:00Z"))
	jobs := newErasing(t, pool, 10*time.Millisecond)
	requested, err := jobs.Erase(t.Context(), []uuid.UUID{user})
	require.NoError(t, err)
	again, err := jobs.Erase(t.Context(), []uuid.UUID{user})
	require.NoError(t, err)
	assert.True(t, again.Joined)
	require.NoError(t, jobs.Cancel(t.Context(), requested.ID))

	start(t, jobs)

	require.Eventually(t, func() bool {
		return scan[bool](t, pool, `SELECT done_at IS NOT NULL FROM learninglog_erased_users`)
	}, 30*time.Second, 10*time.Millisecond)
	assert.Empty(t, rowsOf(t, pool, user))
}

// inAnHour requests a job that names a user, and begins in an hour.
func inAnHour(t *testing.T, jobs *rebuild.Jobs, user uuid.UUID, metadata string) int64 {
	t.Helper()
	inserted, err := jobs.Client().Insert(t.Context(), rebuild.Args{DryRun: true, Scope: rebuild.Scope{Users: []uuid.UUID{user}}},
		&river.InsertOpts{ScheduledAt: time.Now().Add(time.Hour), Metadata: []byte(metadata)})
	require.NoError(t, err)
	return inserted.Job.ID
}

func TestAJobGoesOnAfterAnErasedUser(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	gone := uuid.MustParse("5c1f8a52-6a0e-4f3b-9d43-0c9d2b7a10ff")
	jobs := newErasing(t, pool, 10*time.Millisecond)
	id := inAnHour(t, jobs, gone, `{"output": {"examples": [{"user_id": "`+gone.String()+`"}]}, "river:resumable_step": "chunks",
		"river:resumable_cursor": {"chunks": {"begun": true, "parts": [{"from": "`+gone.String()+`", "last": "11111111-6a0e-4f3b-9d43-0c9d2b7a10ff"}]}}}`)
	start(t, jobs)

	erase(t, jobs, gone)

	assert.Equal(t, "5c1f8a52-6a0e-4f3b-9d43-0c9d2b7a1100", scan[string](t, pool, `
		SELECT metadata #>> '{river:resumable_cursor,chunks,parts,0,from}' FROM river.river_job WHERE id = $1`, id))
	assert.Equal(t, uuid.Nil.String(), scan[string](t, pool, `SELECT metadata #>> '{output,examples,0,user_id}' FROM river.river_job WHERE id = $1`, id))
	assert.NotContains(t, rowsNaming(t, pool, gone), "river.river_job")
}

// It is begun when the last look is under way already.
func TestAJobThatIsJustBegunDoesNotKeepTheNameOfAnErasedUser(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	gone := uuid.New()
	jobs := newErasing(t, pool, 10*time.Millisecond)
	id := inAnHour(t, jobs, gone, `{}`)
	other, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = other.Rollback(context.Background()) }()
	const lockOfRepairs int64 = 0x6c6c_7265_6275_696c // for which the last look waits
	_, err = other.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, lockOfRepairs)
	require.NoError(t, err)
	start(t, jobs)
	requested, err := jobs.Erase(t.Context(), []uuid.UUID{gone})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) == 1 }, 30*time.Second, 10*time.Millisecond)
	execute(t, pool, `UPDATE river.river_job SET state = 'running', attempt = 1, attempted_at = now(), attempted_by = '{other}' WHERE id = $1`, id)

	require.NoError(t, other.Rollback(t.Context()))

	await(t, jobs, requested.ID, "the user is erased", isCompleted) // once the other has ended, or was rescued
	assert.NotContains(t, rowsNaming(t, pool, gone), "river.river_job")
}

func TestWhatOthersKnowIsForgottenInTheLastTransaction(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	record(t, pool, newLog(user, 5, "2026-01-31T20:00:00Z"))
	jobs := newErasing(t, pool, 10*time.Millisecond, func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
		_, err := tx.Exec(ctx, `DELETE FROM learninglog_keys WHERE user_id = $1`, user)
		return err
	})
	execute(t, pool, `INSERT INTO learninglog_keys (hash, beginning, name, scopes, user_id)
		VALUES (sha256('x'), 'llk_x', 'app', '{logs:read}', $1)`, user)
	start(t, jobs)

	erase(t, jobs, user)

	assert.Zero(t, scan[int64](t, pool, `SELECT count(*) FROM learninglog_keys`))
}

func TestAUserCanBeTakenOffTheList(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	jobs := newErasing(t, pool, 10*time.Millisecond)
	start(t, jobs)
	erase(t, jobs, user)

	require.NoError(t, jobs.Unerase(t.Context(), user))

	assert.ErrorIs(t, jobs.Unerase(t.Context(), user), rebuild.ErrNotErased)
	erasures, err := jobs.Erasures(t.Context(), uuid.Nil, 10)
	require.NoError(t, err)
	assert.Empty(t, erasures)
}
