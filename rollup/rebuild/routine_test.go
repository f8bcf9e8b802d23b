package rebuild_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

// After longAgo, a routine doesn't compare logs because they are new.
const longAgo = `UPDATE learning_log SET recorded_at = now() - interval '1 year'`

// recordUsers records a log for each of that many users, long ago.
func recordUsers(t *testing.T, pool *pgxpool.Pool, users int) {
	t.Helper()
	for n := range users {
		record(t, pool, newLog(user(n), 10, "2026-11-22T08:00:00Z"))
	}
	execute(t, pool, longAgo)
}

// corrupt makes the three rows of a user drift.
func corrupt(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1 WHERE user_id = $1`, user(n))
}

// routine runs a routine without repairs, with a sample of that many logs, to its
// end.
func routine(t *testing.T, jobs *rebuild.Jobs, sampleLogs int) rebuild.Progress {
	t.Helper()
	id := insert(t, jobs, rebuild.Args{Routine: true, SampleLogs: sampleLogs, DryRun: true}).Job.ID
	return await(t, jobs, id, "the routine ends", isCompleted)
}

// lastOf returns the last verification of a kind, or nil.
func lastOf(t *testing.T, jobs *rebuild.Jobs, kind rebuild.VerificationKind) *rebuild.Verification {
	t.Helper()
	verifications, err := jobs.Verifications(context.Background())
	require.NoError(t, err)
	for _, verification := range verifications {
		if verification.Kind == kind {
			return &verification
		}
	}
	return nil
}

// usersOf returns the numbers of the users whose drift a rebuild has found.
func usersOf(progress rebuild.Progress) []int {
	found := []int{}
	for n := range 20 {
		for _, drift := range progress.Examples {
			if drift.UserID == user(n) {
				found = append(found, n)
				break
			}
		}
	}
	return found
}

// The samples go around all users, a few at a time.
func TestRoutineGoesOnWhereTheLastOneStopped(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 5)
	jobs := newJobs(t, pool)
	start(t, jobs)
	for _, turn := range []struct {
		corrupted int
		finds     []int
	}{
		{corrupted: 4, finds: []int{}},  // compared 0 and 1
		{corrupted: 4, finds: []int{}},  // 2 and 3
		{corrupted: 4, finds: []int{4}}, // 4 and 0: after the last user comes the first
		{corrupted: 2, finds: []int{2}}, // 1 and 2
	} {
		corrupt(t, pool, turn.corrupted)
		progress := routine(t, jobs, 2)
		assert.Equal(t, turn.finds, usersOf(progress))
		assert.Equal(t, int64(2), progress.UsersDone)
		assert.Equal(t, int64(2), progress.LogsDone)
		execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 10`)
		execute(t, pool, `UPDATE learning_log_verifications SET drifted_users = '{}'`)
	}
}

// A sample that has room for all users compares everybody once.
func TestRoutineLooksAtEverybodyOnceWhereTheyAreFew(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 5)
	jobs := newJobs(t, pool)
	start(t, jobs)
	routine(t, jobs, 3)
	for range 2 {
		progress := routine(t, jobs, 1000)
		assert.Equal(t, int64(5), progress.UsersDone)
		assert.Equal(t, int64(5), progress.LogsDone)
	}
}

func TestRoutineLooksAtWhoeverWasActive(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 10)
	jobs := newJobs(t, pool)
	start(t, jobs)
	assert.Equal(t, int64(1), routine(t, jobs, 1).UsersDone, "the first has only a sample")
	record(t, pool, newLog(user(0), 5, "2026-11-21T08:00:00Z"), newLog(user(7), 5, "2026-11-21T08:00:00Z"))
	for n := range 10 {
		corrupt(t, pool, n)
	}

	progress := routine(t, jobs, 1)

	assert.Equal(t, []int{0, 1, 7}, usersOf(progress), "1 is the sample; the others are looked at as a whole")
	assert.Equal(t, int64(5), progress.LogsDone)
	last := lastOf(t, jobs, rebuild.Routine)
	require.NotNil(t, last)
	assert.Equal(t, []int64{3, 5, 11, 0}, []int64{last.Users, last.Logs, last.RowsDrifted, last.RowsRepaired})
	assert.WithinDuration(t, time.Now(), last.FinishedAt, time.Minute)
	assert.False(t, last.FinishedAt.Before(last.BeganAt))

	assert.Equal(t, []int{0, 1, 7}, usersOf(routine(t, jobs, 0)), "a sample of none leaves whoever was active, or has drifted")
}

// If nobody wrote, a routine costs only its sample.
func TestRoutineIsCheapWhereNobodyWrote(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 10)
	jobs := newJobs(t, pool)
	start(t, jobs)
	for range 3 {
		progress := routine(t, jobs, 2)
		assert.Equal(t, int64(2), progress.UsersDone)
		assert.Equal(t, int64(2), progress.LogsDone)
	}
	assert.Zero(t, routine(t, jobs, 0).UsersDone)
}

// Drift is still reported when the next routine compares other users.
func TestRoutineTellsOfDriftUntilItIsRepaired(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 10)
	jobs := newJobs(t, pool)
	start(t, jobs)
	corrupt(t, pool, 0)
	for range 3 {
		assert.Equal(t, []int{0}, usersOf(routine(t, jobs, 1)))
		assert.Equal(t, int64(3), lastOf(t, jobs, rebuild.Routine).RowsDrifted)
	}

	one := user(0)
	repair := insert(t, jobs, rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{one}}}).Job.ID
	await(t, jobs, repair, "the user is rebuilt", isCompleted)

	assert.Nil(t, lastOf(t, jobs, rebuild.Everything), "one user isn't everything")
	assert.Empty(t, usersOf(routine(t, jobs, 1)))
	assert.Zero(t, lastOf(t, jobs, rebuild.Routine).RowsDrifted)
}

func TestRebuildOfEverythingRepairsWhatARoutineFound(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	jobs := newJobs(t, pool)
	start(t, jobs)
	corrupt(t, pool, 0)
	routine(t, jobs, 1)
	corrupt(t, pool, 2)

	verify := insert(t, jobs, rebuild.Args{DryRun: true, Workers: 2}).Job.ID
	await(t, jobs, verify, "the verification ends", isCompleted)
	everything := lastOf(t, jobs, rebuild.Everything)
	require.NotNil(t, everything)
	assert.Equal(t, verify, everything.RebuildID)
	assert.Equal(t, []int64{3, 3, 6, 0}, []int64{everything.Users, everything.Logs, everything.RowsDrifted, everything.RowsRepaired})
	assert.Zero(t, lastOf(t, jobs, rebuild.Routine).RowsRepaired)

	await(t, jobs, insert(t, jobs, rebuild.Args{}).Job.ID, "the rebuild ends", isCompleted)
	everything = lastOf(t, jobs, rebuild.Everything)
	assert.Equal(t, []int64{6, 6}, []int64{everything.RowsDrifted, everything.RowsRepaired})
	found := lastOf(t, jobs, rebuild.Routine)
	assert.Equal(t, []int64{3, 3}, []int64{found.RowsDrifted, found.RowsRepaired})
}

// Some users were rebuilt, by a list of them. That all is right then is shown by a
// verification of everything.
func TestACleanVerificationOfEverythingSettlesWhatARoutineFound(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	jobs := newJobs(t, pool)
	start(t, jobs)
	corrupt(t, pool, 0)
	routine(t, jobs, 1)
	await(t, jobs, insert(t, jobs, rebuild.Args{Scope: rebuild.Scope{Users: []uuid.UUID{user(0)}}}).Job.ID, "the rebuild ends", isCompleted)
	assert.Zero(t, lastOf(t, jobs, rebuild.Routine).RowsRepaired, "nobody has looked at everything")

	await(t, jobs, insert(t, jobs, rebuild.Args{DryRun: true}).Job.ID, "the verification ends", isCompleted)

	found := lastOf(t, jobs, rebuild.Routine)
	assert.Equal(t, []int64{3, 3}, []int64{found.RowsDrifted, found.RowsRepaired})
}

// The drift that it found has been repaired since.
func TestAVerificationThatARebuildOvertookIsNotTheLast(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	jobs := newJobs(t, pool)
	start(t, jobs)
	corrupt(t, pool, 0)
	slow := insert(t, jobs, rebuild.Args{DryRun: true, MaxLogsPerSecond: 1}).Job.ID
	await(t, jobs, slow, "it has found the drift", func(_ *rivertype.JobRow, progress rebuild.Progress) bool {
		return progress.RowsDrifted > 0
	})

	repair := insert(t, jobs, rebuild.Args{}).Job.ID
	await(t, jobs, repair, "the rebuild ends", isCompleted)
	await(t, jobs, slow, "the verification ends", isCompleted)

	everything := lastOf(t, jobs, rebuild.Everything)
	assert.Equal(t, repair, everything.RebuildID)
	assert.Equal(t, everything.RowsDrifted, everything.RowsRepaired)
}

func TestRoutineRepairsOnlyWhenToldTo(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	corrupt(t, pool, 1)
	jobs := newJobs(t, pool)
	start(t, jobs)

	routine(t, jobs, 100)
	assert.Len(t, pgtest.Drift(t, pool), 3)

	id := insert(t, jobs, rebuild.Args{Routine: true, SampleLogs: 100}).Job.ID
	await(t, jobs, id, "the routine ends", isCompleted)
	assert.Empty(t, pgtest.Drift(t, pool))
	found := lastOf(t, jobs, rebuild.Routine)
	assert.Equal(t, []int64{3, 3}, []int64{found.RowsDrifted, found.RowsRepaired})
}

// A user is sampled as a whole, however many chunks that takes.
func TestRoutineTakesUsersWhole(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for month := range 6 {
		record(t, pool,
			newLog(user(0), 1, fmt.Sprintf("2026-%02d-11T08:00:00Z", month+1)),
			newLog(user(1), 1, fmt.Sprintf("2026-%02d-11T08:00:00Z", month+1)))
	}
	execute(t, pool, longAgo)
	jobs := newJobs(t, pool)
	start(t, jobs)
	for range 2 {
		progress := routine(t, jobs, 2)
		assert.Equal(t, int64(1), progress.UsersDone)
		assert.Equal(t, int64(6), progress.LogsDone)
	}
}

// The last user of a sample may have many more logs than the sample still needs.
func TestTheEndOfASampleCutsNobodyAtEveryMonth(t *testing.T) {
	t.Parallel()
	const months, logs = 24, 200
	pool := pgtest.Pool(t)
	execute(t, pool, `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), $1, 1, '2024-01-10Z'::timestamptz + month * interval '1 month'
		FROM generate_series(0, $2 - 1) AS month, generate_series(1, $3)`, user(1), months, logs)
	part := rebuild.Whole()
	part.Sample = &rebuild.Sample{Logs: 10}

	chunks := workPart(t, pool, rebuild.Scope{}, part, rebuild.ChunkOptions{MaxLogs: months * logs})

	var read []int64
	for _, chunk := range chunks {
		read = append(read, chunk.Logs)
	}
	assert.Equal(t, []int64{1000, months*logs - 1000, 0}, read, "some, the rest of the user, and nobody after")
	assert.Empty(t, pgtest.Drift(t, pool))
}

// A deployment in the middle of a routine, between its sample and the active users.
func TestRoutineIsHandedOn(t *testing.T) {
	t.Parallel()
	const active = 30
	pool := pgtest.Pool(t)
	recordUsers(t, pool, active+2)
	leaving := newJobs(t, pool)
	require.NoError(t, leaving.Start(context.Background()))
	routine(t, leaving, 1)
	for n := range active {
		record(t, pool, newLog(user(n+2), 5, "2026-11-21T08:00:00Z"))
	}
	corrupt(t, pool, 2)
	corrupt(t, pool, active+1)
	// So slow that it can't end.
	id := insert(t, leaving, rebuild.Args{Routine: true, SampleLogs: 1, DryRun: true, MaxLogsPerSecond: 10}).Job.ID
	await(t, leaving, id, "the sample is done", func(_ *rivertype.JobRow, progress rebuild.Progress) bool {
		return progress.UsersDone > 3
	})
	stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, leaving.Stop(stop))
	execute(t, pool, `UPDATE river.river_job SET args = args || '{"max_logs_per_second": 0}' WHERE id = $1`, id)

	coming := newJobs(t, pool)
	start(t, coming)

	progress := await(t, coming, id, "the routine ends", isCompleted)
	assert.Equal(t, int64(1+active), progress.UsersDone, "everybody once")
	assert.Equal(t, int64(1+2*active), progress.LogsDone)
	assert.Equal(t, int64(8), progress.RowsDrifted)
	execute(t, pool, longAgo)
	execute(t, pool, `UPDATE learning_log_verifications SET drifted_users = '{}'`)
	assert.Equal(t, []int{2}, usersOf(routine(t, coming, 1)), "the next goes on after the sample")
}

// newRoutineJobs returns a queue that begins routines.
func newRoutineJobs(t *testing.T, pool *pgxpool.Pool, every time.Duration, river *slog.Logger) *rebuild.Jobs {
	t.Helper()
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{
		Schema:      postgres.RiverSchema,
		Routine:     rebuild.RoutineConfig{Every: every, SampleLogs: 100},
		Logger:      slog.New(slog.DiscardHandler),
		RiverLogger: river,
	})
	require.NoError(t, err)
	return jobs
}

// routines returns all routine jobs, the oldest first.
func routines(t *testing.T, jobs *rebuild.Jobs) []*rivertype.JobRow {
	t.Helper()
	list, err := jobs.Client().JobList(context.Background(), river.NewJobListParams().
		Queues("routine").OrderBy(river.JobListOrderByID, river.SortOrderAsc).First(1000))
	require.NoError(t, err)
	return list.Jobs
}

// Several services, one of which is the leader, begin one routine at a time,
// repeatedly, each about an interval after the last.
func TestRoutinesBeginByThemselves(t *testing.T) {
	t.Parallel()
	const every = time.Second
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	jobs := newRoutineJobs(t, pool, every, slog.New(slog.DiscardHandler))
	start(t, jobs)
	start(t, newRoutineJobs(t, pool, every, slog.New(slog.DiscardHandler)))

	require.Eventually(t, func() bool { return len(routines(t, jobs)) >= 4 }, 30*time.Second, 20*time.Millisecond)

	all := routines(t, jobs)
	for i, job := range all[1:] {
		before := all[i]
		require.NotNil(t, before.FinalizedAt, "no routine begins before the last has ended")
		assert.False(t, job.CreatedAt.Before(*before.FinalizedAt))
		assert.GreaterOrEqual(t, job.CreatedAt.Sub(before.CreatedAt), every/2)
		var args rebuild.Args
		require.NoError(t, json.Unmarshal(job.EncodedArgs, &args))
		assert.True(t, args.Routine && args.DryRun, "%+v", args)
		assert.Equal(t, 100, args.SampleLogs)
	}
}

// A restart begins a routine if one is due, and only then.
func TestRoutineBeginsOnceAnIntervalAcrossRestarts(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	// restart starts a service, and stops it when it has decided whether to begin a
	// routine.
	restart := func() (begun int) {
		river := new(lockedBuffer)
		jobs := newRoutineJobs(t, pool, time.Hour, slog.New(slog.NewTextHandler(river, nil)))
		before := len(routines(t, jobs))
		require.NoError(t, jobs.Start(context.Background()))
		require.Eventually(t, func() bool {
			if river.contains("nil returned from periodic job constructor") {
				return true
			}
			now := routines(t, jobs)
			return len(now) > before && now[len(now)-1].FinalizedAt != nil
		}, 30*time.Second, 20*time.Millisecond)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, jobs.Stop(ctx))
		return len(routines(t, jobs)) - before
	}

	assert.Equal(t, 1, restart(), "there was none yet")
	assert.Equal(t, 0, restart(), "it is too early")

	execute(t, pool, `UPDATE river.river_job SET created_at = created_at - interval '1 hour'`)
	assert.Equal(t, 0, restart(), "of one that was long in the queue it counts when it began")
	execute(t, pool, `UPDATE learning_log_verifications SET began_at = began_at - interval '1 hour'`)
	assert.Equal(t, 1, restart(), "an interval has passed")

	execute(t, pool, `UPDATE river.river_job SET state = 'cancelled'`)
	execute(t, pool, `DELETE FROM learning_log_verifications`)
	assert.Equal(t, 0, restart(), "one that was cancelled doesn't begin again at once")
}

// lockedBuffer is a buffer to which a logger writes while a test reads it.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(text)
}

func (b *lockedBuffer) contains(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Contains(b.buffer.Bytes(), []byte(text))
}

func TestRoutineLogsTheWorstOfWhatItFound(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	recordUsers(t, pool, 3)
	log := new(lockedBuffer)
	jobs, err := rebuild.NewJobs(pool, rebuild.Config{
		Schema: postgres.RiverSchema, Logger: slog.New(slog.NewTextHandler(log, nil)), RiverLogger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	start(t, jobs)

	routine(t, jobs, 100)
	require.Eventually(t, func() bool { return log.contains("routine verification done") }, 10*time.Second, 10*time.Millisecond)
	assert.True(t, log.contains("level=INFO"))

	execute(t, pool, `UPDATE learning_log_aggregates SET total_word_count = 9 WHERE granularity = 'week' AND user_id = $1`, user(1))
	routine(t, jobs, 100)
	require.Eventually(t, func() bool { return log.contains("level=WARN") }, 10*time.Second, 10*time.Millisecond)
	assert.True(t, log.contains("drifted=1 repaired=0"))
	assert.True(t, log.contains(user(1).String()+" week 2026-11-16: rollup (9 words, 1 entries), logs (10 words, 1 entries)"))
}
