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
	reader, user := newReader(pool), uuid.New()
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
			from: "2026-11-19", to: "2026-11-22",
			want:  []string{"2026-11-19 10/1", "2026-11-20 7/2", "2026-11-21 0/0", "2026-11-22 0/1"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "only days with logs, be they without words", granularity: rollup.Day, onlyWithLogs: true,
			from: "2026-11-19", to: "2026-11-22",
			want:  []string{"2026-11-19 10/1", "2026-11-20 7/2", "2026-11-22 0/1"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "one day", granularity: rollup.Day,
			from: "2026-11-20", to: "2026-11-20",
			want:  []string{"2026-11-20 7/2"},
			total: rollup.Sums{TotalWordCount: 7, EntryCount: 2},
		},
		{
			name: "weeks", granularity: rollup.Week,
			from: "2026-11-15", to: "2026-11-16",
			want:  []string{"2026-11-09 0/0", "2026-11-16 17/4"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "months", granularity: rollup.Month,
			from: "2026-10-31", to: "2026-12-01",
			want:  []string{"2026-10-01 0/0", "2026-11-01 17/4", "2026-12-01 0/0"},
			total: rollup.Sums{TotalWordCount: 17, EntryCount: 4},
		},
		{
			name: "nothing", granularity: rollup.Month, onlyWithLogs: true,
			from: "2020-10-31", to: "2021-12-01",
			want: []string{},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			summary, err := reader.Summary(context.Background(), query.SummaryRequest{
				UserID:       user,
				Granularity:  test.granularity,
				From:         new(date(test.from)),
				To:           new(date(test.to)),
				OnlyWithLogs: test.onlyWithLogs,
			})
			require.NoError(t, err)
			assert.Equal(t, test.want, readable(summary))
			assert.Equal(t, test.total, summary.Totals)
			assert.Equal(t, test.granularity.Start(date(test.from)), summary.From)
			assert.Equal(t, test.granularity.Start(date(test.to)), summary.To)
		})
	}
}

// At this instant it is already Monday, 1 June in Kiritimati, and still Saturday in Pago
// Pago.
func TestSummaryUntilTodayAroundTheDateLine(t *testing.T) {
	t.Parallel()
	const now = "2026-05-31T10:30:00Z" // a Sunday
	pool := pgtest.Pool(t)
	reader := newReader(pool)
	for offset, clock := range map[string]struct {
		lastLog string
		today   string
		ranges  map[rollup.Granularity][2]string // by default
	}{
		"+14:00": {
			lastLog: "2026-06-01T00:15:00+14:00", today: "2026-06-01",
			ranges: map[rollup.Granularity][2]string{
				rollup.Day: {"2026-05-03", "2026-06-01"}, rollup.Week: {"2026-03-16", "2026-06-01"}, rollup.Month: {"2025-07-01", "2026-06-01"},
			},
		},
		"+00:00": {
			lastLog: "2026-05-31T10:15:00Z", today: "2026-05-31",
			ranges: map[rollup.Granularity][2]string{
				rollup.Day: {"2026-05-02", "2026-05-31"}, rollup.Week: {"2026-03-09", "2026-05-25"}, rollup.Month: {"2025-06-01", "2026-05-01"},
			},
		},
		"-11:00": {
			lastLog: "2026-05-30T23:15:00-11:00", today: "2026-05-30",
			ranges: map[rollup.Granularity][2]string{
				rollup.Day: {"2026-05-01", "2026-05-30"}, rollup.Week: {"2026-03-09", "2026-05-25"}, rollup.Month: {"2025-06-01", "2026-05-01"},
			},
		},
	} {
		for granularity, want := range clock.ranges {
			t.Run(fmt.Sprintf("%s, by %s", offset, granularity), func(t *testing.T) {
				t.Parallel()
				user, first := uuid.New(), date(want[0])
				post(t, pool, user, 1, (first-1).String()+"T23:59:59"+offset) // too early by default
				post(t, pool, user, 20, first.String()+"T00:00:00"+offset)
				post(t, pool, user, 300, clock.lastLog)
				request := query.SummaryRequest{
					UserID: user, Granularity: granularity, Clock: query.Clock{Now: instant(now)},
				}

				summary, err := reader.Summary(context.Background(), request)
				require.NoError(t, err)
				assert.Equal(t, want, [2]string{summary.From.String(), summary.To.String()})
				require.Len(t, summary.Periods, query.DefaultPeriods(granularity))
				assert.Equal(t, rollup.Sums{TotalWordCount: 320, EntryCount: 2}, summary.Totals)
				assert.EqualValues(t, 20, summary.Periods[0].TotalWordCount)
				assert.EqualValues(t, 300, summary.Periods[len(summary.Periods)-1].TotalWordCount)

				request.From = new(first - 1)
				summary, err = reader.Summary(context.Background(), request)
				require.NoError(t, err)
				assert.Equal(t, granularity.Start(first-1), summary.From)
				assert.Equal(t, want[1], summary.To.String(), "a range that only begins ends today too")
				assert.Equal(t, rollup.Sums{TotalWordCount: 321, EntryCount: 3}, summary.Totals)

				request.From = new(granularity.Next(date(clock.today)))
				_, err = reader.Summary(context.Background(), request)
				require.ErrorIs(t, err, rollup.ErrEmptyRange, "the next %s hasn't begun", granularity)

				request.From, request.OnlyWithLogs = nil, true
				summary, err = reader.Summary(context.Background(), request)
				require.NoError(t, err)
				assert.Len(t, summary.Periods, 2)
			})
		}
	}
}

func TestSummaryUntilADateNeedsNoClock(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 12, "2026-11-23T00:30:00+14:00")

	summary, err := newReader(pool).Summary(context.Background(), query.SummaryRequest{
		UserID: user, Granularity: rollup.Day, To: new(date("2026-11-23")),
	})

	require.NoError(t, err)
	assert.Equal(t, date("2026-10-25"), summary.From)
	assert.Equal(t, rollup.Sums{TotalWordCount: 12, EntryCount: 1}, summary.Totals)
}

func TestSummaryIsBounded(t *testing.T) {
	t.Parallel()
	ctx, reader := context.Background(), newReader(pgtest.Pool(t))
	from := date("2000-01-01")
	request := query.SummaryRequest{UserID: uuid.New(), Granularity: rollup.Day, From: &from}

	request.To = new(from + query.MaxPeriods - 1)
	summary, err := reader.Summary(ctx, request)
	require.NoError(t, err)
	assert.Len(t, summary.Periods, query.MaxPeriods)

	request.To = new(from + query.MaxPeriods)
	_, err = reader.Summary(ctx, request)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)

	request.To = new(from - 1)
	_, err = reader.Summary(ctx, request)
	require.ErrorIs(t, err, rollup.ErrEmptyRange)

	for _, granularity := range []rollup.Granularity{rollup.Week, rollup.Month} {
		monday := date("2024-07-01")
		_, err = reader.Summary(ctx, query.SummaryRequest{
			UserID: uuid.New(), Granularity: granularity, From: new(monday + 2), To: new(monday + 1),
		})
		require.ErrorIs(t, err, rollup.ErrEmptyRange, "even within one %s", granularity)
	}
}

// Learners whose clocks show different dates at the same instant have different ranges.
func TestSummaryUntilTodayIsBoundedByTheLearnersClock(t *testing.T) {
	t.Parallel()
	reader := newReader(pgtest.Pool(t))
	now := instant("2026-11-22T10:30:00Z") // 23 November in Kiritimati, 21 November in Pago Pago
	summarize := func(zoneName string, from rollup.Date) (query.Summary, error) {
		return reader.Summary(context.Background(), query.SummaryRequest{
			UserID: uuid.New(), Granularity: rollup.Day, From: &from, Clock: query.Clock{Now: now, Zone: zone(t, zoneName)},
		})
	}
	unknown := func(from rollup.Date) (query.Summary, error) { // in UTC, as the reader
		return reader.Summary(context.Background(), query.SummaryRequest{
			UserID: uuid.New(), Granularity: rollup.Day, From: &from, Clock: query.Clock{Now: now},
		})
	}

	summary, err := summarize("Pacific/Kiritimati", date("2026-11-23"))
	require.NoError(t, err)
	assert.Equal(t, []string{"2026-11-23 0/0"}, readable(summary))
	_, err = unknown(date("2026-11-23"))
	require.ErrorIs(t, err, rollup.ErrEmptyRange)
	_, err = summarize("Pacific/Pago_Pago", date("2026-11-22"))
	require.ErrorIs(t, err, rollup.ErrEmptyRange)

	longest := date("2026-11-21") - query.MaxPeriods + 1
	summary, err = summarize("Pacific/Pago_Pago", longest)
	require.NoError(t, err)
	assert.Len(t, summary.Periods, query.MaxPeriods)
	_, err = unknown(longest)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)
	_, err = summarize("Pacific/Kiritimati", longest+1)
	require.ErrorIs(t, err, rollup.ErrTooManyPeriods)
}

// (0, 0) and a missing row mean the same.
func TestSummaryOfAnEmptyRow(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	_, err := pool.Exec(context.Background(), `INSERT INTO learning_log_aggregates VALUES ($1, 'day', '2026-11-22', 0, 0)`, user)
	require.NoError(t, err)
	day := date("2026-11-22")

	summary, err := newReader(pool).Summary(context.Background(), query.SummaryRequest{
		UserID: user, Granularity: rollup.Day, From: &day, To: &day, OnlyWithLogs: true,
	})

	require.NoError(t, err)
	assert.Empty(t, summary.Periods)
}

func TestSummaryOfAYear(t *testing.T) {
	t.Parallel()
	pool, user := pgtest.Pool(t), uuid.New()
	post(t, pool, user, 1, "2024-12-31T23:59:59+14:00")
	post(t, pool, user, 2, "2025-01-01T00:00:00+14:00") // still the old year in UTC
	post(t, pool, user, 3, "2025-12-31T23:59:59-11:00") // already the new year in UTC
	post(t, pool, user, 4, "2026-01-01T00:00:00-11:00")

	summary, err := newReader(pool).Summary(context.Background(), query.YearRequest(user, 2025))

	require.NoError(t, err)
	assert.Equal(t, []string{"2025-01-01 2/1", "2025-12-31 3/1"}, readable(summary))
}

func TestSplit(t *testing.T) {
	t.Parallel()
	days := func(from, to string, periods ...query.PeriodSummary) query.Summary {
		summary := query.Summary{Granularity: rollup.Day, From: date(from), To: date(to), Periods: periods}
		for _, period := range periods {
			summary.Totals = summary.Totals.Plus(period.Sums)
		}
		return summary
	}
	day := func(text string, words int64) query.PeriodSummary {
		return query.PeriodSummary{Period: date(text), Sums: rollup.Sums{TotalWordCount: words, EntryCount: 1}}
	}
	for _, test := range []struct {
		name               string
		whole              query.Summary
		at                 string
		before, rest       []string
		beforeSum, restSum int64
	}{
		{
			name:   "in the middle",
			whole:  days("2026-11-19", "2026-11-21", day("2026-11-19", 1), day("2026-11-20", 20), day("2026-11-21", 300)),
			at:     "2026-11-20",
			before: []string{"2026-11-19 1/1"}, beforeSum: 1,
			rest: []string{"2026-11-20 20/1", "2026-11-21 300/1"}, restSum: 320,
		},
		{
			name:   "before the last period",
			whole:  days("2026-11-19", "2026-11-20", day("2026-11-19", 1), day("2026-11-20", 20)),
			at:     "2026-11-20",
			before: []string{"2026-11-19 1/1"}, beforeSum: 1,
			rest: []string{"2026-11-20 20/1"}, restSum: 20,
		},
		{
			name:   "where a period without a log was left out",
			whole:  days("2026-11-18", "2026-11-22", day("2026-11-19", 1), day("2026-11-21", 300)),
			at:     "2026-11-20",
			before: []string{"2026-11-19 1/1"}, beforeSum: 1,
			rest: []string{"2026-11-21 300/1"}, restSum: 300,
		},
		{
			name:   "before all that have a log",
			whole:  days("2026-11-18", "2026-11-22", day("2026-11-21", 300)),
			at:     "2026-11-20",
			before: []string{},
			rest:   []string{"2026-11-21 300/1"}, restSum: 300,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at := date(test.at)

			before, rest, err := test.whole.Split(at)

			require.NoError(t, err)
			assert.Equal(t, [2]rollup.Date{test.whole.From, at - 1}, [2]rollup.Date{before.From, before.To})
			assert.Equal(t, [2]rollup.Date{at, test.whole.To}, [2]rollup.Date{rest.From, rest.To})
			assert.Equal(t, test.before, readable(before))
			assert.Equal(t, test.rest, readable(rest))
			assert.Equal(t, test.beforeSum, before.Totals.TotalWordCount)
			assert.Equal(t, test.restSum, rest.Totals.TotalWordCount)
		})
	}
}

// Both parts are what a request of their own would be answered.
func TestSplitEqualsTwoSummaries(t *testing.T) {
	t.Parallel()
	ctx, pool, user := context.Background(), pgtest.Pool(t), uuid.New()
	for i := range 40 {
		post(t, pool, user, i, (date("2025-01-15")+rollup.Date(9*i)).String()+"T23:30:00-11:00")
	}
	reader := newReader(pool)
	for _, granularity := range rollup.Granularities() {
		for _, onlyWithLogs := range []bool{true, false} {
			summarize := func(from, to rollup.Date) query.Summary {
				summary, err := reader.Summary(ctx, query.SummaryRequest{
					UserID: user, Granularity: granularity, From: &from, To: &to, OnlyWithLogs: onlyWithLogs,
				})
				require.NoError(t, err)
				return summary
			}
			from, at, to := date("2025-02-10"), granularity.Start(date("2025-06-10")), date("2025-11-10")

			before, rest, err := summarize(from, to).Split(at)

			require.NoError(t, err)
			assert.True(t, before.Equal(summarize(from, at-1)), "%s, only with logs: %t", granularity, onlyWithLogs)
			assert.True(t, rest.Equal(summarize(at, to)), "%s, only with logs: %t", granularity, onlyWithLogs)
		}
	}
}

func ExampleReader_Summary() {
	pool, closePool := pgtest.ExamplePool()
	defer closePool()
	user := uuid.MustParse("0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22")
	post(panics{}, pool, user, 12, "2026-11-20T08:00:00Z")
	post(panics{}, pool, user, 5, "2026-11-20T20:00:00Z")

	summary, err := newReader(pool).Summary(context.Background(), query.SummaryRequest{
		UserID:      user,
		Granularity: rollup.Day,
		From:        new(rollup.NewDate(2026, time.November, 19)),
		To:          new(rollup.NewDate(2026, time.November, 20)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, day := range summary.Periods {
		fmt.Println(day.Period, day.TotalWordCount, day.EntryCount, day.Average())
	}
	// Output:
	// 2026-11-19 0 0 0
	// 2026-11-20 17 2 8.5
}

// readable returns a line for each period: its first date, words and entries.
func readable(summary query.Summary) []string {
	lines := make([]string, len(summary.Periods))
	for i, period := range summary.Periods {
		lines[i] = fmt.Sprintf("%s %d/%d", period.Period, period.TotalWordCount, period.EntryCount)
	}
	return lines
}

// panics is the require.TestingT of an Example.
type panics struct{}

func (panics) Errorf(format string, arguments ...any) { panic(fmt.Sprintf(format, arguments...)) }
func (panics) FailNow()                               { panic("failed") }
