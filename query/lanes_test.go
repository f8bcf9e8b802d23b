package query_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	"learninglog/query"
	"learninglog/rollup"
)

// patience is how long a test waits for what happens at once.
const patience = time.Minute

// countingPool counts how often a connection is acquired, which is once for each round trip
// of a lane. Until it is opened, whoever acquires one waits.
type countingPool struct {
	*pgxpool.Pool

	acquired atomic.Int64
	opened   chan struct{}
}

func (p *countingPool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	p.acquired.Add(1)
	select {
	case <-p.opened:
		return p.Pool.Acquire(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newBusyReader returns a reader whose only lane is busy until the pool is opened, with
// something that is read meanwhile.
func newBusyReader(t *testing.T, pool *pgxpool.Pool) (*query.Reader, *countingPool) {
	t.Helper()
	counting := &countingPool{Pool: pool, opened: make(chan struct{})}
	reader := query.NewReader(counting, time.UTC).WithLanes(1)
	go func() { _ = learner{}.summarize(t.Context(), reader) }()
	require.Eventually(t, func() bool { return counting.acquired.Load() == 1 }, patience, time.Millisecond)
	return reader, counting
}

// inLine begins to read something small. It returns what will come of it, as soon as that
// waits for a lane.
func inLine(ctx context.Context, read func(context.Context) error) <-chan error {
	noticing := &noticingContext{Context: ctx, noticed: make(chan struct{})}
	result := make(chan error, 1)
	go func() { result <- read(noticing) }()
	<-noticing.noticed
	return result
}

// noticingContext notices when somebody begins to wait for its end.
type noticingContext struct {
	context.Context //nolint:containedctx // it is one itself

	once    sync.Once
	noticed chan struct{}
}

func (n *noticingContext) Done() <-chan struct{} {
	n.once.Do(func() { close(n.noticed) })
	return n.Context.Done()
}

// learner is somebody with one log, which isn't like another's.
type learner struct {
	user, requestID uuid.UUID
	words           int
	offset          rollup.Offset
}

const learnersNow = "2026-11-22T10:30:00Z"

// addLearners posts a log for each of some learners.
func addLearners(t *testing.T, pool *pgxpool.Pool, number int) (learners []learner) {
	t.Helper()
	logs := make([]command.Log, number)
	for i := range logs {
		l := learner{uuid.New(), uuid.New(), i + 1, rollup.Offset(i%24-11) * 60}
		learners = append(learners, l)
		logs[i] = command.Log{
			RequestID: l.requestID, UserID: l.user, WordCount: l.words, Timestamp: instant(learnersNow), Zone: l.offset.Location(),
		}
	}
	for _, outcome := range command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool)}).Record(t.Context(), logs) {
		require.Equal(t, command.Recorded, outcome.Status)
	}
	return learners
}

// summarize fails unless the summary of the last 30 days is the learner's.
func (l learner) summarize(ctx context.Context, reader *query.Reader) error {
	summary, err := reader.Summary(ctx, query.SummaryRequest{
		UserID: l.user, Granularity: rollup.Day, Clock: query.Clock{Now: instant(learnersNow)},
	})
	if err != nil {
		return err
	}
	today := l.offset.DateAt(instant(learnersNow))
	if sums := (rollup.Sums{TotalWordCount: int64(l.words), EntryCount: 1}); summary.Totals != sums || summary.To != today {
		return fmt.Errorf("the summary until %s is %v, instead of %v until %s", summary.To, summary.Totals, sums, today)
	}
	return nil
}

// summarizeMonth fails unless the summary of the month is the learner's. It reads no log.
func (l learner) summarizeMonth(ctx context.Context, reader *query.Reader) error {
	summary, err := reader.Summary(ctx, query.SummaryRequest{UserID: l.user, Granularity: rollup.Month, To: new(date("2026-11-22"))})
	if err != nil {
		return err
	}
	if sums := (rollup.Sums{TotalWordCount: int64(l.words), EntryCount: 1}); summary.Totals != sums {
		return fmt.Errorf("the summary of the month is %v, instead of %v", summary.Totals, sums)
	}
	return nil
}

func TestWhatIsReadTogetherIsEachCallersOwn(t *testing.T) {
	t.Parallel()
	const callers, rounds = 64, 5
	pool := &countingPool{Pool: pgtest.Pool(t), opened: make(chan struct{})}
	close(pool.opened)
	learners := addLearners(t, pool.Pool, callers)
	reader := query.NewReader(pool, time.UTC).WithLanes(1)

	var asking sync.WaitGroup
	for i := range callers {
		asking.Go(func() {
			for round := range rounds {
				assert.NoError(t, learners[(i+round)%callers].summarize(t.Context(), reader))
				assert.NoError(t, learners[(i+round)%callers].summarizeMonth(t.Context(), reader))
			}
		})
	}
	asking.Wait()

	assert.Less(t, pool.acquired.Load(), int64(callers*rounds*2), "round trips")
}

func TestWhatComesWhileNoLaneIsIdleSharesRoundTrips(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	learners := addLearners(t, pool, 2*query.MaxTogether+1)
	reader, counting := newBusyReader(t, pool)
	results := make([]<-chan error, len(learners))
	for i, l := range learners {
		results[i] = inLine(t.Context(), func(ctx context.Context) error { return l.summarize(ctx, reader) })
	}

	close(counting.opened)

	for _, result := range results {
		assert.NoError(t, <-result)
	}
	assert.EqualValues(t, 1+3, counting.acquired.Load(), "round trips")
}

// The rows of some learners are replaced by a calculation that PostgreSQL refuses.
func TestWhatFailsConcernsOnlyItsCaller(t *testing.T) {
	t.Parallel()
	if pgtest.Distributed() {
		t.Skip("a view can't take the place of a distributed table")
	}
	pool := pgtest.Pool(t)
	learners := addLearners(t, pool, 12)
	isWrong := func(i int) bool { return i == 0 || i == 5 || i == 6 || i == 11 }
	var wrong []string
	for i, l := range learners {
		if isWrong(i) {
			wrong = append(wrong, "'"+l.user.String()+"'")
		}
	}
	_, err := pool.Exec(t.Context(), `
		ALTER TABLE learning_log_aggregates RENAME TO right_rows;
		CREATE VIEW learning_log_aggregates AS
		SELECT user_id, granularity, period, entry_count,
		       total_word_count / CASE WHEN user_id IN (`+strings.Join(wrong, ",")+`) THEN 0 ELSE 1 END AS total_word_count
		FROM right_rows`)
	require.NoError(t, err)
	reader, counting := newBusyReader(t, pool)
	results := make([]<-chan error, len(learners))
	for i, l := range learners {
		results[i] = inLine(t.Context(), func(ctx context.Context) error { return l.summarize(ctx, reader) })
	}

	close(counting.opened)

	for i, result := range results {
		if err := <-result; isWrong(i) {
			assert.ErrorContains(t, err, "division by zero", "learner %d", i)
		} else {
			assert.NoError(t, err, "learner %d", i)
		}
	}
}

func TestAQueryThatIsNotUnderstoodConcernsOnlyItsCaller(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	learners := addLearners(t, pool, 2)
	_, err := pool.Exec(t.Context(), `DROP TABLE learning_log`)
	require.NoError(t, err)
	reader, counting := newBusyReader(t, pool)
	read := func(l learner) <-chan error {
		return inLine(t.Context(), func(ctx context.Context) error { return l.summarizeMonth(ctx, reader) })
	}
	before := read(learners[0])
	recent := inLine(t.Context(), func(ctx context.Context) error { return learners[0].summarize(ctx, reader) })
	after := read(learners[1])

	close(counting.opened)

	require.NoError(t, <-before)
	require.ErrorContains(t, <-recent, "learning_log")
	require.NoError(t, <-after)
}

func TestASumThatDoesNotFitConcernsOnlyItsCaller(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	corrupt(t, pool, user, "total_word_count", "9223372036854775807")
	learners := addLearners(t, pool, 2)
	reader, counting := newBusyReader(t, pool)
	read := func(l learner) <-chan error {
		return inLine(t.Context(), func(ctx context.Context) error { return l.summarize(ctx, reader) })
	}
	before := read(learners[0])
	tooLarge := inLine(t.Context(), func(ctx context.Context) error {
		// Years are summed up from months while the rows are collected.
		_, err := reader.Summary(ctx, query.SummaryRequest{UserID: user, Granularity: rollup.Year, To: new(date("2026-11-01"))})
		return err
	})
	after := read(learners[1])

	close(counting.opened)

	require.ErrorIs(t, <-tooLarge, query.ErrSumTooLarge)
	require.NoError(t, <-before)
	require.NoError(t, <-after)
	assert.EqualValues(t, 1+1, counting.acquired.Load(), "round trips: none has failed")
}

func TestWhoNoLongerWaitsForALaneIsNotReadFor(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	here := addLearners(t, pool, 1)[0]
	reader, counting := newBusyReader(t, pool)
	gone, leave := context.WithCancelCause(t.Context())
	left := errors.New("the client is gone")
	results := make([]<-chan error, query.MaxTogether)
	for i := range results {
		results[i] = inLine(gone, func(ctx context.Context) error { return learner{}.summarize(ctx, reader) })
	}
	stays := inLine(t.Context(), func(ctx context.Context) error { return here.summarize(ctx, reader) })

	leave(left)

	for _, result := range results {
		require.ErrorIs(t, <-result, left, "though the lane is busy")
	}
	close(counting.opened)
	require.NoError(t, <-stays)
	assert.EqualValues(t, 1+1, counting.acquired.Load(), "round trips")
}

// lockLogs keeps everybody from reading logs until they are unlocked.
func lockLogs(t *testing.T, pool *pgxpool.Pool) (unlock func()) {
	t.Helper()
	locking, err := pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = locking.Rollback(context.Background()) })
	_, err = locking.Exec(t.Context(), `LOCK TABLE learning_log IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	return func() { require.NoError(t, locking.Commit(t.Context())) }
}

func TestWhoLeavesARoundTripIsNotMissed(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	stays := addLearners(t, pool, 1)[0]
	reader, counting := newBusyReader(t, pool)
	unlock := lockLogs(t, pool)
	recent := func(ctx context.Context) error { return stays.summarize(ctx, reader) }
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("the client is gone")
	leaves := inLine(ctx, recent)
	another := inLine(t.Context(), recent)
	last := inLine(t.Context(), func(ctx context.Context) error { return stays.summarizeMonth(ctx, reader) })
	close(counting.opened)
	require.Eventually(t, func() bool { return pgtest.Waiting(t, pool, 0) == 1 }, patience, 10*time.Millisecond)

	leave(left)

	require.ErrorIs(t, <-leaves, left, "while the round trip is under way")
	unlock()
	require.NoError(t, <-another)
	require.NoError(t, <-last)
	assert.EqualValues(t, 1+1, counting.acquired.Load(), "round trips")
	require.NoError(t, stays.summarize(t.Context(), reader), "the lane goes on")
}

func TestARoundTripThatHangsEndsWhenNobodyWaitsForItAnyLonger(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	l := addLearners(t, pool, 1)[0]
	reader, counting := newBusyReader(t, pool)
	_ = lockLogs(t, pool)
	const soon = time.Second
	hanging := make([]<-chan error, 3)
	for i := range hanging {
		ctx, cancel := context.WithTimeout(t.Context(), soon*time.Duration(1+i)/3)
		t.Cleanup(cancel)
		hanging[i] = inLine(ctx, func(ctx context.Context) error { return l.summarize(ctx, reader) })
	}

	close(counting.opened)

	for _, result := range hanging {
		assert.ErrorIs(t, <-result, context.DeadlineExceeded)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, l.summarizeMonth(ctx, reader), "it reads what isn't locked")
}

func TestManyReadersOutliveTheirConnections(t *testing.T) {
	t.Parallel()
	const callers, kills = 16, 5
	pool := pgtest.Pool(t)
	killer := pgtest.Open(t, pool.Config().ConnString())
	learners := addLearners(t, pool, callers)
	reader := newReader(pool)
	var answered [callers]atomic.Int64
	answeredTwiceMore := func() {
		t.Helper()
		var since [callers]int64
		for i := range callers {
			since[i] = answered[i].Load()
		}
		require.Eventually(t, func() bool {
			for i := range callers {
				if answered[i].Load() < since[i]+2 && !t.Failed() {
					return false
				}
			}
			return true
		}, patience, time.Millisecond)
	}
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	for i, l := range learners {
		asking.Go(func() {
			for ctx.Err() == nil {
				assert.NoError(t, l.summarize(t.Context(), reader))
				answered[i].Add(1)
			}
		})
	}
	defer asking.Wait()
	defer stop()

	for range kills {
		answeredTwiceMore()
		var killed int
		err := killer.QueryRow(t.Context(), `
			SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&killed)
		require.NoError(t, err)
		require.Positive(t, killed)
	}
	answeredTwiceMore()
}
