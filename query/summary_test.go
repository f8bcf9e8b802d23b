package query_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

func TestSummary(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	reader, user := query.NewReader(pool), uuid.New()
	post(t, pool, user, 10, "2026-11-19T23:59:59Z")
	post(t, pool, user, 4, "2026-11-20T00:00:00Z")
	post(t, pool, user, 3, "2026-11-20T12:00:00Z")
	post(t, pool, user, 0, "2026-11-22T12:00:00Z")
	post(t, pool, uuid.New(), 100, "2026-11-20T12:00:00Z") // another user

	for _, test := range []struct {
		name         string
		granularity  rollup.Granularity
		from, to     string
		onlyWithLogs bool
		want         []string
		total        rollup.Sums
	}{
		{
			name: "days, both ends included as a whole", granularity: rollup.Day,
			from: "2026-11-19T18:00:00Z", to: "2026-11-22T00:00:00Z",
			want:  []string{"2026-11-19 10/1", "2026-11-20 7/2", "2026-11-21 0/0", "2026-11-22 0/1"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "only days with logs, be they without words", granularity: rollup.Day, onlyWithLogs: true,
			from: "2026-11-19T18:00:00Z", to: "2026-11-22T00:00:00Z",
			want:  []string{"2026-11-19 10/1", "2026-11-20 7/2", "2026-11-22 0/1"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "one day", granularity: rollup.Day,
			from: "2026-11-20T00:00:00Z", to: "2026-11-20T00:00:00Z",
			want:  []string{"2026-11-20 7/2"},
			total: rollup.Sums{TotalWordCount: 7, EntryCount: 2},
		},
		{
			name: "weeks", granularity: rollup.Week,
			from: "2026-11-15T23:00:00Z", to: "2026-11-16T01:00:00Z",
			want:  []string{"2026-11-09 0/0", "2026-11-16 17/4"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "months", granularity: rollup.Month,
			from: "2026-10-31T00:00:00Z", to: "2026-12-01T00:00:00Z",
			want:  []string{"2026-10-01 0/0", "2026-11-01 17/4", "2026-12-01 0/0"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "nothing", granularity: rollup.Month, onlyWithLogs: true,
			from: "2020-10-31T00:00:00Z", to: "2021-12-01T00:00:00Z",
			want: []string{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			summary, err := reader.Summary(context.Background(), query.SummaryRequest{
				UserID:       user,
				Granularity:  test.granularity,
				From:         instant(test.from),
				To:           instant(test.to),
				Zone:         time.UTC,
				OnlyWithLogs: test.onlyWithLogs,
			})
			require.NoError(t, err)
			got := make([]string, len(summary.Periods))
			for i, period := range summary.Periods {
				got[i] = fmt.Sprintf("%s %d/%d", period.Period.Format(time.DateOnly), period.TotalWordCount, period.EntryCount)
			}
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.total, summary.Totals)
			assert.Equal(t, test.granularity.StartOf(instant(test.from), time.UTC), summary.From.UTC())
			assert.Equal(t, test.granularity.StartOf(instant(test.to), time.UTC), summary.To.UTC())
		})
	}
}

func TestSummaryIsBounded(t *testing.T) {
	t.Parallel()
	reader := query.NewReader(pgtest.Pool(t))
	request := query.SummaryRequest{
		UserID: uuid.New(), Granularity: rollup.Day, Zone: time.UTC,
		From: instant("2000-01-01T00:00:00Z"),
	}
	request.To = request.From.AddDate(0, 0, query.MaxPeriods-1)
	summary, err := reader.Summary(context.Background(), request)
	require.NoError(t, err)
	assert.Len(t, summary.Periods, query.MaxPeriods)

	request.To = request.To.AddDate(0, 0, 1)
	_, err = reader.Summary(context.Background(), request)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)

	request.To = request.From.Add(-time.Microsecond)
	_, err = reader.Summary(context.Background(), request)
	require.ErrorIs(t, err, rollup.ErrEmptyRange)
}

// (0, 0) and a missing row mean the same.
func TestSummaryOfAnEmptyRow(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	_, err := pool.Exec(context.Background(), `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-11-22Z', 0, 0)`, user)
	require.NoError(t, err)
	at := instant("2026-11-22T00:00:00Z")

	summary, err := query.NewReader(pool).Summary(context.Background(), query.SummaryRequest{
		UserID: user, Granularity: rollup.Day, From: at, To: at, Zone: time.UTC, OnlyWithLogs: true,
	})

	require.NoError(t, err)
	assert.Empty(t, summary.Periods)
}

func ExampleReader_Summary() {
	pool, closePool := pgtest.ExamplePool()
	defer closePool()
	user := uuid.MustParse("0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
	post(panics{}, pool, user, 12, "2026-11-20T08:00:00Z")
	post(panics{}, pool, user, 5, "2026-11-20T20:00:00Z")

	summary, err := query.NewReader(pool).Summary(context.Background(), query.SummaryRequest{
		UserID:      user,
		Granularity: rollup.Day,
		From:        time.Date(2026, time.November, 19, 0, 0, 0, 0, time.UTC),
		To:          time.Date(2026, time.November, 20, 0, 0, 0, 0, time.UTC),
		Zone:        time.UTC,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, day := range summary.Periods {
		fmt.Println(day.Period.Format(time.DateOnly), day.TotalWordCount, day.EntryCount, day.Average())
	}
	// Output:
	// 2026-11-19 0 0 0
	// 2026-11-20 17 2 8.5
}

// panics is the require.TestingT of an Example.
type panics struct{}

func (panics) Errorf(format string, arguments ...any) { panic(fmt.Sprintf(format, arguments...)) }
func (panics) FailNow()                               { panic("failed") }
