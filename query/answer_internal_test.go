package query

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/panics"
	"learninglog/internal/pgtest"
	"learninglog/rollup"
)

// The rows that weren't collected aren't taken for those of the next query.
func TestAPanicInCollectConcernsOnlyItsCaller(t *testing.T) {
	t.Parallel()
	reader := NewReader(pgtest.Pool(t), time.UTC)
	var before, panicked, after answer[[]int]
	collect := func(rows pgx.Rows) ([]int, error) { return pgx.CollectRows(rows, pgx.RowTo[int]) }
	explode := func(rows pgx.Rows) ([]int, error) {
		rows.Next()
		panic("bang")
	}
	var together []*small
	for _, query := range []struct {
		found   *answer[[]int]
		collect func(pgx.Rows) ([]int, error)
		sql     string
	}{
		{&before, collect, `SELECT 1`}, {&panicked, explode, `SELECT generate_series(20, 29)`}, {&after, collect, `SELECT 3`},
	} {
		together = append(together, &small{
			Query: query.found.query(query.collect, query.sql), context: t.Context(), answered: make(chan struct{}),
		})
	}

	answerAll(reader.at(uuid.Nil), together)

	for _, query := range together {
		<-query.answered
		require.NoError(t, query.err)
	}
	assert.Equal(t, answer[[]int]{value: []int{1}}, before)
	assert.Equal(t, answer[[]int]{value: []int{3}}, after)
	caught, ok := errors.AsType[*panics.Error](panicked.err)
	require.True(t, ok, "%v", panicked.err)
	assert.Equal(t, "bang", caught.Cause)
}

// A lane is nobody's request, so nothing else would recover from its panic.
func TestAPanicOfALaneIsAnErrorOfItsCaller(t *testing.T) {
	t.Parallel()
	pool := &panickingPool{Pool: pgtest.Pool(t)}
	reader := NewReader(pool, time.UTC).WithLanes(1)
	request := SummaryRequest{Granularity: rollup.Day, Clock: Clock{Now: time.Now()}}

	_, err := reader.Summary(t.Context(), request)

	caught, ok := errors.AsType[*panics.Error](err)
	require.True(t, ok, "%v", err)
	assert.Equal(t, "bang", caught.Cause)
	_, err = reader.Summary(t.Context(), request)
	require.NoError(t, err, "the lane goes on")
}

// panickingPool is a pool that panics once.
type panickingPool struct {
	*pgxpool.Pool

	panicked bool
}

func (p *panickingPool) Acquire(ctx context.Context) (*pgxpool.Conn, error) {
	if !p.panicked {
		p.panicked = true
		panic("bang")
	}
	return p.Pool.Acquire(ctx)
}
