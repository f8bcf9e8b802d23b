package query_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
	"learninglog/rollup"
)

func TestARangeIsComparedWithTheOneBefore(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		granularity rollup.Granularity
		from, to    string
		want        string // the first period of the range before
		wantTo      string
	}{
		{"three days, with the same weekdays of last week", rollup.Day, "2026-01-12", "2026-01-14", "2026-01-05", "2026-01-07"},
		{"a week of days", rollup.Day, "2026-01-12", "2026-01-18", "2026-01-05", "2026-01-11"},
		{"eight days, two weeks before", rollup.Day, "2026-01-12", "2026-01-19", "2025-12-29", "2026-01-05"},
		{"weeks", rollup.Week, "2026-01-12", "2026-01-19", "2025-12-29", "2026-01-05"},
		{"months", rollup.Month, "2026-01-12", "2026-03-01", "2025-10-01", "2025-12-01"},
		{"years", rollup.Year, "2025-03-01", "2026-03-01", "2023-01-01", "2024-01-01"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool := pgtest.Pool(t)
			user, request := uuid.New(), query.SummaryRequest{
				Granularity: test.granularity, From: new(dateOf(t, test.from)), To: new(dateOf(t, test.to)), Compare: true,
			}
			request.UserID = user

			summary, err := query.NewReader(pool, time.UTC).Summary(t.Context(), request)

			require.NoError(t, err)
			assert.Equal(t, test.want, summary.Before.From.String())
			assert.Equal(t, test.wantTo, summary.Before.To.String())
		})
	}
}

func TestTheChangeIsThatOfTheWords(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	addRow := func(period string, words int) {
		_, err := pool.Exec(t.Context(), `INSERT INTO learning_log_aggregates VALUES ($1, 'day', $2, $3, 1)`, user, period, words)
		require.NoError(t, err)
	}
	addRow("2026-01-05", 40)
	addRow("2026-01-11", 1000) // no day of the range before
	addRow("2026-01-12", 50)
	reader := query.NewReader(pool, time.UTC)
	request := query.SummaryRequest{
		UserID: user, Granularity: rollup.Day, From: new(dateOf(t, "2026-01-12")), To: new(dateOf(t, "2026-01-14")), Compare: true,
	}

	summary, err := reader.Summary(t.Context(), request)
	require.NoError(t, err)
	assert.EqualValues(t, 40, summary.Before.TotalWordCount)
	require.NotNil(t, summary.ChangePercent())
	assert.InDelta(t, 25, *summary.ChangePercent(), 1e-9)

	request.UserID = uuid.New()
	summary, err = reader.Summary(t.Context(), request)
	require.NoError(t, err)
	assert.Nil(t, summary.ChangePercent(), "nothing can't be compared with")
}

func TestNothingIsComparedWithTimesBeforeTheYear1(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	for granularity, from := range map[rollup.Granularity]string{rollup.Year: "0001-01-01", rollup.Day: "0001-01-02", rollup.Total: "2026-01-01"} {
		summary, err := query.NewReader(pool, time.UTC).Summary(t.Context(), query.SummaryRequest{
			Granularity: granularity, From: new(dateOf(t, from)), To: new(dateOf(t, from)), Compare: true,
		})

		require.NoError(t, err)
		assert.Nil(t, summary.Before, "%s", granularity)
		assert.Nil(t, summary.ChangePercent())
	}
}

// Today is only known with the answer, and both ranges end by it.
func TestARangeThatEndsTodayIsCompared(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	now := time.Date(2026, 1, 14, 23, 30, 0, 0, time.UTC)
	for _, zone := range []*time.Location{time.UTC, time.FixedZone("", 14*60*60), time.FixedZone("", -12*60*60)} {
		summary, err := query.NewReader(pool, zone).Summary(t.Context(), query.SummaryRequest{
			UserID: uuid.New(), Granularity: rollup.Day, Clock: query.Clock{Now: now}, Compare: true,
		})

		require.NoError(t, err)
		today := rollup.DateOf(now.In(zone))
		assert.Equal(t, today, summary.To)
		assert.Equal(t, today-35, summary.Before.To, "30 days are compared with those of five weeks before")
		assert.Equal(t, today-35-29, summary.Before.From)
	}
}

func TestYearsAndTotalsAreAddedUpFromMonths(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	user := uuid.New()
	for period, words := range map[string]int{"2024-12-01": 1, "2025-01-01": 2, "2025-12-01": 4, "2026-01-01": 8} {
		_, err := pool.Exec(t.Context(), `INSERT INTO learning_log_aggregates VALUES ($1, 'month', $2, $3, 1)`, user, period, words)
		require.NoError(t, err)
	}
	reader := query.NewReader(pool, time.UTC)
	words := func(granularity rollup.Granularity) (words []int64) {
		summary, err := reader.Summary(t.Context(), query.SummaryRequest{
			UserID: user, Granularity: granularity, From: new(dateOf(t, "2025-06-15")), To: new(dateOf(t, "2026-06-15")),
		})
		require.NoError(t, err)
		for _, period := range summary.Periods {
			words = append(words, period.TotalWordCount)
		}
		return words
	}

	assert.Equal(t, []int64{6, 8}, words(rollup.Year), "every year is whole")
	assert.Equal(t, []int64{15}, words(rollup.Total), "a total is of all time")
}

func dateOf(t *testing.T, text string) (date rollup.Date) {
	t.Helper()
	require.NoError(t, date.UnmarshalText([]byte(text)))
	return date
}
