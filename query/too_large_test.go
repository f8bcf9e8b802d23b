package query_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

// corrupt posts a log on each of three days, and sets a column of all rows.
func corrupt(t *testing.T, pool *pgxpool.Pool, user uuid.UUID, column, value string) {
	t.Helper()
	for _, day := range []string{"2026-10-30", "2026-10-31", "2026-11-01"} {
		post(t, pool, user, 1, day+"T12:00:00Z")
	}
	_, err := pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET `+column+` = `+value)
	require.NoError(t, err)
}

func TestASumThatDoesNotFitIsAnErrorNotAnotherNumber(t *testing.T) {
	t.Parallel()
	for _, wrong := range []struct{ column, value string }{
		{"total_word_count", "9223372036854775807"},
		{"total_word_count", "-9223372036854775808"},
		{"entry_count", "9223372036854775807"},
	} {
		t.Run(wrong.column+" "+wrong.value, func(t *testing.T) {
			t.Parallel()
			pool, user := pgtest.Pool(t), uuid.New()
			corrupt(t, pool, user, wrong.column, wrong.value)
			reader := newReader(pool)
			read := func(granularity rollup.Granularity, from, to string, compare bool) error {
				_, err := reader.Summary(t.Context(), query.SummaryRequest{
					UserID: user, Granularity: granularity, From: new(date(from)), To: new(date(to)), Compare: compare,
				})
				return err
			}

			for _, granularity := range []rollup.Granularity{rollup.Day, rollup.Month, rollup.Year, rollup.Total} {
				assert.ErrorIs(t, read(granularity, "2026-10-30", "2026-11-01", false), query.ErrSumTooLarge, granularity)
			}
			untilToday := query.SummaryRequest{
				UserID: user, Granularity: rollup.Day, Clock: query.Clock{Now: instant("2026-11-01T18:00:00Z")},
			}
			_, err := reader.Summary(t.Context(), untilToday)
			assert.ErrorIs(t, err, query.ErrSumTooLarge, "until today")
			_, err = reader.Summary(t.Context(), query.YearRequest(user, 2026))
			assert.ErrorIs(t, err, query.ErrSumTooLarge, "a year")
			assert.NoError(t, read(rollup.Day, "2026-11-07", "2026-11-07", true), "neither range has two")
			assert.ErrorIs(t, read(rollup.Day, "2026-11-06", "2026-11-07", true), query.ErrSumTooLarge, "the range before")
			_, err = reader.EverybodyPerDay(t.Context(), date("2026-10-30"), date("2026-11-01"))
			assert.ErrorIs(t, err, query.ErrSumTooLarge, "everybody's days")
		})
	}
}

func TestTheLargestSumIsAnswered(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	corrupt(t, pool, user, "total_word_count", "9223372036854775807")

	summary, err := newReader(pool).Summary(t.Context(), query.SummaryRequest{
		UserID: user, Granularity: rollup.Day, From: new(date("2026-11-01")), To: new(date("2026-11-01")),
	})

	require.NoError(t, err)
	assert.EqualValues(t, math.MaxInt64, summary.Totals.TotalWordCount)
	streaks, err := newReader(pool).Streaks(t.Context(), user, query.Clock{Now: instant("2026-11-01T18:00:00Z"), Zone: time.UTC}, new(0))
	require.NoError(t, err)
	assert.Equal(t, 3, streaks.Current.Days)
}

func TestEverybodysSumOfOneDayMayNotFit(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"total_word_count", "entry_count"} {
		pool := pgtest.Pool(t)
		post(t, pool, uuid.New(), 1, "2026-11-01T12:00:00Z")
		corrupt(t, pool, uuid.New(), column, "9223372036854775807")

		_, err := newReader(pool).EverybodyPerDay(t.Context(), date("2026-11-01"), date("2026-11-01"))

		assert.ErrorIs(t, err, query.ErrSumTooLarge, column)
	}
}

// A part of a summary may not fit where the whole does, because rows may be negative.
func TestSplitFailsIfAPartDoesNotFit(t *testing.T) {
	t.Parallel()
	day := func(text string, words int64) query.PeriodSummary {
		return query.PeriodSummary{Period: date(text), Sums: rollup.Sums{TotalWordCount: words}}
	}
	summary := query.Summary{Granularity: rollup.Day, From: date("2026-11-01"), To: date("2026-11-03"), Periods: []query.PeriodSummary{
		day("2026-11-01", -1), day("2026-11-02", math.MaxInt64), day("2026-11-03", 1),
	}}

	_, _, err := summary.Split(date("2026-11-02"))

	assert.ErrorIs(t, err, query.ErrSumTooLarge)
}
