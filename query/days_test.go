package query_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

func TestWhatIsMadeOfAllDaysIsWhatIsReadByItself(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	random := rand.New(rand.NewPCG(1, 2))
	first := rollup.NewDate(2025, time.December, 20)
	for range 60 {
		day := first + rollup.Date(random.IntN(100))
		post(t, pool, user, random.IntN(30), day.String()+"T12:00:00Z")
	}
	void(t, pool, user, post(t, pool, user, 7, "2026-05-05T12:00:00Z"))
	reader := newReader(pool)

	days, err := reader.Days(t.Context(), user)

	require.NoError(t, err)
	for _, granularity := range append(rollup.Granularities(), rollup.Year) {
		for range 20 {
			from := first + rollup.Date(random.IntN(100)-10)
			to := from + rollup.Date(random.IntN(60))
			request := query.SummaryRequest{
				UserID: user, Granularity: granularity, From: &from, To: &to, Compare: random.IntN(2) == 0, OnlyWithLogs: random.IntN(2) == 0,
			}
			want, err := reader.Summary(t.Context(), request)
			require.NoError(t, err)
			got, err := days.Summary(request)
			require.NoError(t, err)
			require.Equal(t, want, got, "%s from %s to %s", granularity, from, to)
		}
	}
	for today := first - 1; today < first+110; today++ {
		for gap := range 4 {
			want, err := reader.Streaks(t.Context(), user, query.Clock{Now: today.Time(), Zone: time.UTC}, &gap)
			require.NoError(t, err)
			require.Equal(t, want, days.Streaks(today, gap), "on %s with a gap of %d", today, gap)
		}
	}
}

func TestDaysBetween(t *testing.T) {
	t.Parallel()
	days := query.Days{{Period: 3}, {Period: 5}, {Period: 9}}
	assert.Equal(t, days, days.Between(3, 9))
	assert.Equal(t, days[1:2], days.Between(4, 8))
	assert.Empty(t, days.Between(6, 8))
	assert.Empty(t, days.Between(9, 3))
	assert.Empty(t, query.Days(nil).Between(1, 2))
}

func TestDaysWhoseSumsDoNotFit(t *testing.T) {
	t.Parallel()
	most := rollup.Sums{TotalWordCount: 1<<63 - 1, EntryCount: 1}
	days := query.Days{{Period: 3, Sums: most}, {Period: 5, Sums: most}}

	_, err := days.Totals()

	require.ErrorIs(t, err, query.ErrSumTooLarge)
	_, err = days.Summary(query.SummaryRequest{Granularity: rollup.Month, From: new(rollup.Date(1)), To: new(rollup.Date(9))})
	assert.ErrorIs(t, err, query.ErrSumTooLarge)
}
