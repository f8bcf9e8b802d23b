package rebuild_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"learninglog/command"
	"learninglog/internal/horizon"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/retry"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// purge purges all logs before an instant, chunk by chunk, and returns the chunks without
// their rests.
func purge(t require.TestingT, pool *pgxpool.Pool, before time.Time, options rebuild.ChunkOptions) (chunks []rebuild.Chunk) {
	ctx := context.Background()
	for part := new(rebuild.Whole()); part != nil; {
		require.Less(t, len(chunks), 10_000, "it comes to an end")
		var chunk rebuild.Chunk
		require.NoError(t, retry.Conflicts(ctx, func() error {
			return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) (err error) {
				chunk, err = rebuild.PurgeChunk(ctx, tx, before, *part, options)
				return err
			})
		}))
		part, chunk.Rest = chunk.Rest, nil
		chunks = append(chunks, chunk)
	}
	return chunks
}

func purged(chunks []rebuild.Chunk) (logs int64) {
	for _, chunk := range chunks {
		logs += chunk.Purged
	}
	return logs
}

func sealedDays(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	result, err := pool.Query(t.Context(), `
		SELECT format('%s: %s words, %s entries', day, total_word_count, entry_count) FROM learning_log_sealed_days ORDER BY user_id, day`)
	require.NoError(t, err)
	days, err := pgx.CollectRows(result, pgx.RowTo[string])
	require.NoError(t, err)
	return days
}

func TestAPurgeKeepsWhatLogsAddUpTo(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	late := newLog(user, 5, "2026-01-31T23:30:00-05:00") // already 1 February in UTC
	voided := newLog(user, 1000, "2026-01-30T08:00:00Z")
	record(t, pool, late, newLog(user, 7, "2026-01-31T08:00:00Z"), voided, newLog(user, 11, "2026-02-02T08:00:00Z"))
	command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).
		Void(t.Context(), []command.Target{{UserID: user, RequestID: voided.RequestID}})
	before := rows(t, pool)

	chunks := purge(t, pool, instant("2026-02-02T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})

	require.Len(t, chunks, 1)
	assert.EqualValues(t, 3, chunks[0].Purged)
	assert.Equal(t, []string{"2026-01-31: 12 words, 2 entries"}, sealedDays(t, pool))
	assert.Equal(t, 1, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assert.Equal(t, before, rows(t, pool), "no row of the rollup was touched")
	assert.Empty(t, pgtest.Drift(t, pool))

	assert.Zero(t, purged(purge(t, pool, instant("2026-02-02T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})), "again does nothing")
	purge(t, pool, instant("2027-01-01T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})
	assert.Equal(t, []string{"2026-01-31: 12 words, 2 entries", "2026-02-02: 11 words, 1 entries"}, sealedDays(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
}

// They count in no chunk, but they are locked when they are deleted.
func TestAPurgeDeletesOnlySoManyVoidedLogsAtOnce(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
	const users, voided, most = 5, 4, 3
	var targets []command.Target
	for n := range users {
		for range voided {
			log := newLog(user(n), 5, "2026-01-31T08:00:00Z")
			record(t, pool, log)
			targets = append(targets, command.Target{UserID: log.UserID, RequestID: log.RequestID})
		}
	}
	record(t, pool, newLog(user(1), 7, "2026-01-31T08:00:00Z"), newLog(user(3), 9, "2026-01-31T08:00:00Z"))
	recorder.Void(t.Context(), targets)

	chunks := purge(t, pool, instant("2026-03-01T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: most})

	assert.EqualValues(t, users*voided+2, purged(chunks))
	assert.Zero(t, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	var walked, done int64
	for _, chunk := range chunks {
		assert.LessOrEqual(t, chunk.Purged, int64(most+2))
		walked, done = walked+chunk.Walked, done+chunk.Users
	}
	assert.GreaterOrEqual(t, walked, int64(users*voided), "the pace is charged for them")
	assert.LessOrEqual(t, done, int64(users), "a user is counted once")
	assert.Equal(t, []string{"2026-01-31: 7 words, 1 entries", "2026-01-31: 9 words, 1 entries"}, sealedDays(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
}

// A day that is purged in two halves is the sum of both.
func TestAPurgeAddsToSealedDays(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	record(t, pool, newLog(user, 5, "2026-01-31T08:00:00Z"), newLog(user, 7, "2026-01-31T18:00:00Z"))

	purge(t, pool, instant("2026-01-31T12:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})
	assert.Equal(t, []string{"2026-01-31: 5 words, 1 entries"}, sealedDays(t, pool))
	assert.Empty(t, drifted(t, workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{DryRun: true})))
	purge(t, pool, instant("2026-02-01T12:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})

	assert.Equal(t, []string{"2026-01-31: 12 words, 2 entries"}, sealedDays(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
}

// Whatever is recorded, voided and purged, the rollups stay as they are, a verification
// finds nothing, and a rebuild makes the same rollups from nothing.
func TestAPurgePreservesTheTruth(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	rapid.Check(t, func(t *rapid.T) {
		execute(t, pool, `TRUNCATE learning_log, learning_log_aggregates, learning_log_sealed_days`)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
		users := []uuid.UUID{user(1), user(2), user(3), user(4)}
		begin := time.Date(2025, 11, 20, 0, 0, 0, 0, time.UTC)
		draw := func() time.Time { return begin.Add(time.Duration(random.IntN(60*24)) * time.Hour) }
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			var logs []command.Log
			var targets []command.Target
			for range random.IntN(60) {
				log := logAt(users[random.IntN(len(users))], random.IntN(50), draw().In(randomClock(random)))
				logs = append(logs, log)
				if random.IntN(5) == 0 {
					targets = append(targets, command.Target{UserID: log.UserID, RequestID: log.RequestID})
				}
			}
			record(t, pool, logs...)
			recorder.Void(context.Background(), targets)
			workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{}) // sweeps empty rows
			before := rollups(t, pool)

			purge(t, pool, draw(), rebuild.ChunkOptions{MaxLogs: rapid.SampledFrom([]int{1, 2, 7, 1000}).Draw(t, "logs per chunk")})

			require.Equal(t, before, rollups(t, pool))
			options := rebuild.ChunkOptions{MaxLogs: rapid.SampledFrom([]int{1, 3, 1000}).Draw(t, "logs per chunk of a rebuild"), DryRun: true}
			require.Empty(t, drifted(t, workAll(t, pool, rebuild.Scope{}, options)))
			from := date("2025-12-01")
			require.Empty(t, drifted(t, workAll(t, pool, rebuild.Scope{From: &from, To: &from, Users: users[:2]}, options)))
			execute(t, pool, `DELETE FROM learning_log_aggregates`)
			options.DryRun = false
			workAll(t, pool, rebuild.Scope{}, options)
			require.Equal(t, before, rollups(t, pool))
		}
	})
}

// rollups returns all rows of the rollups.
func rollups(t require.TestingT, pool *pgxpool.Pool) []string {
	result, err := pool.Query(context.Background(), `
		SELECT a::text FROM learning_log_aggregates AS a ORDER BY user_id, granularity, period`)
	require.NoError(t, err)
	texts, err := pgx.CollectRows(result, pgx.RowTo[string])
	require.NoError(t, err)
	return texts
}

func TestAPurgeLeavesUsersWithDrift(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 5, "2026-01-31T08:00:00Z"), newLog(user(2), 7, "2026-01-31T08:00:00Z"), newLog(user(3), 9, "2026-01-31T08:00:00Z"))
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 8 WHERE user_id = $1 AND granularity = 'week'`, user(2))
	// A row of zero sums means the same as none, so it is in nobody's way.
	execute(t, pool, `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-01-15', 0, 0)`, user(3))
	before := instant("2026-03-01T00:00:00Z")

	chunks := purge(t, pool, before, rebuild.ChunkOptions{MaxLogs: 100})

	assert.EqualValues(t, 2, purged(chunks))
	drift := drifted(t, chunks)
	require.Len(t, drift, 1)
	assert.Equal(t, user(2), drift[0].UserID)
	assert.Equal(t, user(2), scan[uuid.UUID](t, pool, `SELECT user_id FROM learning_log`))
	assert.Equal(t, []string{"2026-01-31: 5 words, 1 entries", "2026-01-31: 9 words, 1 entries"}, sealedDays(t, pool))

	workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{})
	assert.EqualValues(t, 1, purged(purge(t, pool, before, rebuild.ChunkOptions{MaxLogs: 100})), "once it is repaired, it is purged")
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestADryPurgeChangesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	record(t, pool, newLog(user(1), 5, "2026-01-31T08:00:00Z"), newLog(user(2), 7, "2026-02-27T08:00:00Z"))

	chunks := purge(t, pool, instant("2026-02-01T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100, DryRun: true})

	assert.EqualValues(t, 1, purged(chunks))
	assert.Empty(t, sealedDays(t, pool))
	assert.Equal(t, 2, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
}

// Users who have only sealed days, first and last in key order among others, are in some
// chunk, whatever its size.
func TestARebuildFindsUsersWhoHaveOnlySealedDays(t *testing.T) {
	t.Parallel()
	for _, maxLogs := range []int{1, 2, 100} {
		t.Run(fmt.Sprint(maxLogs), func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			for n := range 7 {
				record(t, pool, newLog(user(n), n, "2026-01-31T08:00:00Z"), newLog(user(n), 1, "2026-01-30T08:00:00Z"))
			}
			purge(t, pool, instant("2027-01-01T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})
			for _, n := range []int{2, 5} {
				record(t, pool, newLog(user(n), 1, "2026-03-02T08:00:00Z"), newLog(user(n), 1, "2026-03-03T08:00:00Z"))
			}
			want := rollups(t, pool)
			execute(t, pool, `DELETE FROM learning_log_aggregates`)

			chunks := workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: maxLogs})

			assert.Equal(t, want, rollups(t, pool))
			assert.EqualValues(t, 7*2+2*2, logsOf(chunks), "a sealed day counts as a log")
		})
	}
}

// A purge, a rebuild, a re-zone, writers and voiders work on the same users. Nothing is
// lost or counted twice.
func TestAPurgeIsExactWhileOthersWrite(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	users := []uuid.UUID{user(1), user(2), user(3)}
	scene := newScene(t, pool, users, 3, 15)
	var voided atomic.Int64
	for n := range 2 {
		recorder := command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)})
		scene.writers.Go(func() {
			for !scene.stopped.Load() {
				of := users[n]
				targets := targetsOf(t, pool, of)
				for _, outcome := range recorder.Void(context.Background(), targets) {
					switch outcome.Status {
					case command.Voided:
						voided.Add(1)
					case command.Unknown, command.AlreadyVoided: // it was purged, or the other was faster
					default:
						assert.Fail(t, "a log isn't voided", "%v", outcome)
					}
				}
			}
		})
	}
	scene.passes.Go(func() {
		for range 5 {
			workAll(t, pool, rebuild.Scope{}, rebuild.ChunkOptions{MaxLogs: 50})
		}
	})
	scene.passes.Go(func() { rezone(t, pool, rebuild.Scope{}, "Asia/Tokyo", 20) })
	var all int64
	for day := range 59 {
		before := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, day)
		all += purged(purge(t, pool, before, rebuild.ChunkOptions{MaxLogs: 40}))
	}
	scene.stop()

	assert.Positive(t, all)
	assert.Empty(t, pgtest.Drift(t, pool))
	const first = 2 * 3 // of newScene
	assert.Equal(t, first+scene.written.Load()-voided.Load(),
		scan[int64](t, pool, `SELECT sum(entry_count) FROM learning_log_aggregates WHERE granularity = 'month'`))
	assert.Positive(t, voided.Load())
}

func targetsOf(t *testing.T, pool *pgxpool.Pool, user uuid.UUID) []command.Target {
	t.Helper()
	result, err := pool.Query(context.Background(),
		`SELECT user_id, request_id FROM learning_log WHERE user_id = $1 AND voided_at IS NULL ORDER BY random() LIMIT 3`, user)
	require.NoError(t, err)
	targets, err := pgx.CollectRows(result, pgx.RowToStructByPos[command.Target])
	require.NoError(t, err)
	return targets
}

// oldLogs records logs of as many users, which are some days older than the others say.
func oldLogs(t *testing.T, pool *pgxpool.Pool, users, days int) {
	t.Helper()
	logs := make([]command.Log, users)
	for n := range users {
		logs[n] = logAt(user(n), 10, time.Now().AddDate(0, 0, -days).UTC())
	}
	record(t, pool, logs...)
}

func newPurgeJobs(t *testing.T, pool *pgxpool.Pool, config rebuild.Config) *rebuild.Jobs {
	t.Helper()
	config.Schema, config.Logger, config.ChunkLogs = postgres.RiverSchema, slog.New(slog.DiscardHandler), 1
	jobs, err := rebuild.NewJobs(pool, config)
	require.NoError(t, err)
	return jobs
}

func TestAPurgeFirstMakesEveryProcessRefuse(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	oldLogs(t, pool, 3, 40)
	oldLogs(t, pool, 3, 30) // is refused, and not purged yet
	const settle = 2 * time.Second
	jobs := newPurgeJobs(t, pool, rebuild.Config{SettleTime: settle})
	start(t, jobs)

	id := insert(t, jobs, rebuild.Args{PurgeOlderThanDays: 30}).Job.ID

	var raised time.Time
	require.Eventually(t, func() bool {
		known, err := horizon.Read(t.Context(), pool, 0)
		raised = time.Now()
		return err == nil && !known.RefusedBefore.IsZero()
	}, 10*time.Second, time.Millisecond)
	progress := await(t, jobs, id, "the purge ends", isCompleted)
	assert.GreaterOrEqual(t, time.Since(raised), settle-100*time.Millisecond)
	assert.EqualValues(t, 3, progress.LogsPurged)
	assert.Positive(t, progress.BytesPurged)
	known, err := horizon.Read(t.Context(), pool, 0)
	require.NoError(t, err)
	assert.Equal(t, known.PurgedBefore, *progress.PurgedBefore)
	assert.WithinDuration(t, time.Now().AddDate(0, 0, -30), known.RefusedBefore, time.Minute)
	assert.WithinDuration(t, known.RefusedBefore.Add(-horizon.Margin), known.PurgedBefore, time.Second)

	// Afterwards, it needn't wait again for less.
	execute(t, pool, `UPDATE learning_log_horizon SET raised_at = now() - interval '1 hour'`)
	begun := time.Now()
	await(t, jobs, insert(t, jobs, rebuild.Args{PurgeOlderThanDays: 35}).Job.ID, "a purge of less ends", isCompleted)
	assert.Less(t, time.Since(begun), settle)
	lowered, err := horizon.Read(t.Context(), pool, 0)
	require.NoError(t, err)
	assert.Equal(t, known.RefusedBefore, lowered.RefusedBefore, "the horizon is never lowered")
	assert.Equal(t, known.PurgedBefore, lowered.PurgedBefore)
}

// Logs are written in the order of time, so their users' are never next to each other.
func TestAPurgeSaysHowMuchLogsTake(t *testing.T) {
	t.Parallel()
	if pgtest.Distributed() {
		t.Skip("each node knows the sizes of its own shards")
	}
	pool := pgtest.Pool(t)
	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), md5((random() * 10)::int::text)::uuid, 10, now() - interval '90 days' + i * interval '2 minutes'
		FROM generate_series(1, 20000) AS i`)
	execute(t, pool, rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("learning_log"))))
	jobs := newPurgeJobs(t, pool, rebuild.Config{})
	start(t, jobs)

	progress := await(t, jobs, insert(t, jobs, rebuild.Args{PurgeOlderThanDays: 30, DryRun: true}).Job.ID, "it ends", isCompleted)

	require.EqualValues(t, 20_000, progress.LogsPurged)
	assert.InEpsilon(t, scan[int64](t, pool, `SELECT pg_total_relation_size('learning_log')`), progress.BytesPurged, 0.15)
}

// Otherwise a purge that is interrupted again and again would never begin.
func TestAPurgeThatIsInterruptedDoesNotRaiseTheHorizonAgain(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	oldLogs(t, pool, 3, 40)
	jobs := newPurgeJobs(t, pool, rebuild.Config{SettleTime: 3 * time.Second})
	start(t, jobs)
	id := insert(t, jobs, rebuild.Args{PurgeOlderThanDays: 30}).Job.ID
	require.Eventually(t, func() bool {
		return scan[int](t, pool, `SELECT count(*) FROM learning_log_horizon`) == 1
	}, 30*time.Second, time.Millisecond)
	raised := scan[time.Time](t, pool, `SELECT raised_at FROM learning_log_horizon`)

	execute(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND objsubid = 2`, id)
	await(t, jobs, id, "it is tried again", func(job *rivertype.JobRow, _ rebuild.Progress) bool { return job.Attempt > 1 })
	progress := await(t, jobs, id, "the purge ends", isCompleted)

	assert.EqualValues(t, 3, progress.LogsPurged)
	assert.Equal(t, raised, scan[time.Time](t, pool, `SELECT raised_at FROM learning_log_horizon`))
}

func TestADryPurgeRefusesNothing(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	oldLogs(t, pool, 3, 40)
	jobs := newPurgeJobs(t, pool, rebuild.Config{})
	start(t, jobs)

	progress := await(t, jobs, insert(t, jobs, rebuild.Args{PurgeOlderThanDays: 30, DryRun: true}).Job.ID, "it ends", isCompleted)

	assert.EqualValues(t, 3, progress.LogsPurged)
	assert.Zero(t, scan[int](t, pool, `SELECT count(*) FROM learning_log_horizon`))
	assert.Equal(t, 3, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
}

// A purge is cancelled, its process vanishes, another goes on: each log is sealed once.
func TestAPurgeGoesOnAfterACancellationAndACrash(t *testing.T) {
	t.Parallel()
	const users = 200
	url := pgtest.URL(t)
	pool := pgtest.Open(t, url)
	oldLogs(t, pool, users, 40)
	want := rollups(t, pool)
	settings := rebuild.Config{SettleTime: time.Millisecond}
	ownPool := pgtest.Open(t, url)
	first := newPurgeJobs(t, ownPool, settings)
	require.NoError(t, first.Start(context.Background()))
	args := rebuild.Args{PurgeOlderThanDays: 30, MaxLogsPerSecond: 100}
	hasPurged := func(_ *rivertype.JobRow, progress rebuild.Progress) bool { return progress.LogsPurged > 0 }

	cancelled := insert(t, first, args).Job.ID
	await(t, first, cancelled, "some logs are purged", hasPurged)
	require.NoError(t, first.Cancel(t.Context(), cancelled))
	progress := await(t, first, cancelled, "it is cancelled", func(job *rivertype.JobRow, _ rebuild.Progress) bool {
		return job.State == rivertype.JobStateCancelled
	})
	assert.Less(t, progress.LogsPurged, int64(users))
	assert.EqualValues(t, progress.LogsPurged, users-scan[int](t, pool, `SELECT count(*) FROM learning_log`), "what is purged stays purged")
	assert.Empty(t, pgtest.Drift(t, pool))

	killed := insert(t, first, args).Job.ID
	await(t, first, killed, "some logs are purged", hasPurged)
	execute(t, pool, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND objsubid = 2`, killed)
	second := newPurgeJobs(t, pool, settings)
	start(t, second)
	await(t, second, killed, "it is completed all the same", isCompleted)
	require.NoError(t, first.Stop(context.Background()))

	assert.Zero(t, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assert.Equal(t, users, scan[int](t, pool, `SELECT sum(entry_count)::int FROM learning_log_sealed_days`))
	assert.Equal(t, want, rollups(t, pool))
	assert.Empty(t, pgtest.Drift(t, pool))
}

// The replicas purge one after the other, and each of them by itself once a day.
func TestReplicasPurgeOnceADay(t *testing.T) {
	t.Parallel()
	const users = 50
	url := pgtest.URL(t)
	pool := pgtest.Open(t, url)
	oldLogs(t, pool, users, 40)
	settings := rebuild.Config{SettleTime: time.Millisecond, KeepDays: 30}
	replicas := []*rebuild.Jobs{newPurgeJobs(t, pool, settings), newPurgeJobs(t, pgtest.Open(t, url), settings)}
	for _, replica := range replicas {
		start(t, replica)
	}
	var byHand sync.WaitGroup
	for _, replica := range replicas {
		byHand.Go(func() {
			id := insert(t, replica, rebuild.Args{PurgeOlderThanDays: 35, Workers: 2}).Job.ID
			await(t, replica, id, "a purge by hand ends", isCompleted)
		})
	}
	byHand.Wait()

	require.Eventually(t, func() bool {
		return scan[int](t, pool, `SELECT count(*) FROM river.river_job WHERE queue = 'purge' AND 'periodic' = ANY(tags) AND state = 'completed'`) == 1
	}, 20*time.Second, 10*time.Millisecond)
	assert.Equal(t, users, scan[int](t, pool, `SELECT sum(entry_count)::int FROM learning_log_sealed_days`))
	assert.Zero(t, scan[int](t, pool, `SELECT count(*) FROM learning_log`))
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestARezoneLeavesSealedDays(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	record(t, pool, unzoned(user, 5, "2026-01-31T20:00:00Z"), unzoned(user, 7, "2026-02-20T20:00:00Z"))
	purge(t, pool, instant("2026-02-10T00:00:00Z"), rebuild.ChunkOptions{MaxLogs: 100})

	rezone(t, pool, rebuild.Scope{}, "Asia/Tokyo", 100)

	assert.Equal(t, []string{"day 2026-01-31: 5", "day 2026-02-21: 7", "week 2026-01-26: 5", "week 2026-02-16: 7", "month 2026-01-01: 5", "month 2026-02-01: 7"},
		rowsOf(t, pool, user))
	assert.Empty(t, pgtest.Drift(t, pool))
}
