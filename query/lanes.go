package query

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"learninglog/internal/panics"
	"learninglog/internal/retry"
)

// MaxTogether is the largest number of small reads in a round trip.
const MaxTogether = 32

// Lanes returns how many round trips of small reads are under way at the same time, where there
// are so many connections to the database.
func Lanes(connections int) int {
	const each = 8
	return max(1, connections/each)
}

// lanes read small summaries, such as the last 30 days of a user. Most of what that costs is
// not reading, but sending a query, waking up a process of PostgreSQL, and being woken up
// again. Each lane has one round trip under way at most. A query is sent at once if a lane
// is idle; those that come while none is go together in the next round trip.
type lanes struct {
	number int // for each pool

	mu    sync.Mutex
	pools map[Pool]*queue // those that are in use
}

// queue is what waits for a pool, and how many lanes are busy with it.
type queue struct {
	busy    int
	waiting []*small
}

// small is a query that is read by a lane.
type small struct {
	retry.Query

	// context is that of whoever waits for the answer.
	context  context.Context //nolint:containedctx // see above
	err      error
	answered chan struct{}
}

func newLanes(number int) *lanes { return &lanes{number: number, pools: make(map[Pool]*queue)} }

// readSmall runs a query that reads few rows of a user, and collects them. It shares a round
// trip with others.
func readSmall[T any](
	ctx context.Context, r *Reader, userID uuid.UUID, collect func(pgx.Rows) (T, error), sql string, arguments ...any,
) (T, error) {
	var found answer[T]
	query := &small{
		Query: found.query(collect, sql, arguments...), context: ctx, answered: make(chan struct{}),
	}
	if err := r.lanes.read(r.at(userID), query); err != nil {
		var none T // found may still change
		return none, err
	}
	return found.value, found.err
}

// read returns when the query is answered, or when nobody waits for it any more.
func (l *lanes) read(pool Pool, query *small) error {
	l.mu.Lock()
	q := l.pools[pool]
	if q == nil {
		q = new(queue)
		l.pools[pool] = q
	}
	q.waiting = append(q.waiting, query)
	begins := q.busy < l.number
	if begins {
		q.busy++
	}
	l.mu.Unlock()
	if begins {
		go l.work(pool, q)
	}
	select {
	case <-query.answered:
		return query.err
	case <-query.context.Done():
		return context.Cause(query.context)
	}
}

// work is what a lane does until nothing waits.
func (l *lanes) work(pool Pool, q *queue) {
	for together := l.take(pool, q); len(together) > 0; together = l.take(pool, q) {
		answerAll(pool, together)
	}
}

// take returns the queries of the next round trip; or none, and then the lane is idle. It drops
// those for which nobody waits any more, of which there may be many after a round trip that
// took long.
func (l *lanes) take(pool Pool, q *queue) (together []*small) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(query *small) bool { return query.context.Err() != nil })
	n := min(len(q.waiting), MaxTogether)
	together, q.waiting = q.waiting[:n:n], q.waiting[n:]
	if n > 0 {
		return together
	}
	if q.busy--; q.busy == 0 {
		delete(l.pools, pool)
	}
	return nil
}

// answerAll reads queries. If one fails, those after it are read in another round trip, unless
// that can't be either.
func answerAll(pool Pool, together []*small) {
	ctx, cancel := whileAwaited(together)
	defer cancel()
	queries := make([]retry.Query, len(together))
	for i, query := range together {
		queries[i] = query.Query
	}
	for len(queries) > 0 {
		read, err := readTogether(ctx, pool, queries)
		if read == 0 && len(queries) > 1 && !concernsAll(ctx, err) {
			// If PostgreSQL doesn't understand one of them, none is run, whichever it is.
			read, err = readTogether(ctx, pool, queries[:1])
		}
		if err != nil {
			failed := read + 1
			if concernsAll(ctx, err) {
				failed = len(queries)
			}
			for ; read < failed; read++ {
				together[read].err = err
			}
		}
		for _, query := range together[:read] {
			close(query.answered)
		}
		queries, together = queries[read:], together[read:]
	}
}

// concernsAll reports whether after an error other queries can't be read either.
func concernsAll(ctx context.Context, err error) bool {
	_, away := errors.AsType[*pgconn.ConnectError](err)
	return away || ctx.Err() != nil
}

// readTogether is [retry.ReadTogether]. It returns a panic as an error: of a lane, which is
// nobody's request, nobody else would recover from it.
func readTogether(ctx context.Context, pool Pool, queries []retry.Query) (read int, err error) {
	err = panics.Returned(func() (err error) {
		read, err = retry.ReadTogether(ctx, pool, queries)
		return err //nolint:wrapcheck // its caller does
	})
	return read, err
}

// patience is how long a round trip may take for callers without a deadline.
const patience = time.Minute

// whileAwaited returns a context that ends when nobody can wait for the queries any longer.
func whileAwaited(together []*small) (context.Context, context.CancelFunc) {
	var last time.Time
	for _, query := range together {
		deadline, ok := query.context.Deadline()
		if !ok {
			deadline = time.Now().Add(patience)
		}
		if deadline.After(last) {
			last = deadline
		}
	}
	return context.WithDeadline(context.Background(), last)
}
