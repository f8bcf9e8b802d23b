package query

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// MaxPeriods is the largest number of periods in a summary.
const MaxPeriods = 10_000

// SummaryRequest selects a summary.
type SummaryRequest struct {
	UserID      uuid.UUID
	Granularity rollup.Granularity
	// From is any instant in the first period and To any instant in the last. Both
	// periods are completely included.
	From, To time.Time
	// Zone is the time zone of the periods.
	Zone *time.Location
	// OnlyWithLogs leaves out periods without logs, instead of filling them with
	// zeros.
	OnlyWithLogs bool
}

// YearRequest returns the request for the days with logs in a calendar year of a zone.
func YearRequest(userID uuid.UUID, year int, zone *time.Location) SummaryRequest {
	return SummaryRequest{
		UserID:       userID,
		Granularity:  rollup.Day,
		From:         time.Date(year, time.January, 1, 12, 0, 0, 0, zone), // every day has a noon, even if its midnight is skipped
		To:           time.Date(year, time.December, 31, 12, 0, 0, 0, zone),
		Zone:         zone,
		OnlyWithLogs: true,
	}
}

// DefaultPeriods returns how many periods a summary has by default: 30 days, 12
// weeks or 12 months.
func DefaultPeriods(granularity rollup.Granularity) int {
	if granularity == rollup.Day {
		return 30
	}
	return 12
}

// DefaultFrom returns the start of the first of [DefaultPeriods] periods in a zone.
// The last of them contains to.
func DefaultFrom(granularity rollup.Granularity, to time.Time, zone *time.Location) time.Time {
	return granularity.Back(granularity.StartOf(to, zone), DefaultPeriods(granularity)-1, zone)
}

// Summary is what a user learned in a range of periods.
type Summary struct {
	UserID      uuid.UUID
	Granularity rollup.Granularity
	// From and To are the starts of the first and of the last period, both included.
	// A request with these values returns the same summary.
	From, To time.Time
	Zone     *time.Location
	// Totals are the sums over the whole range.
	Totals rollup.Sums
	// Periods are in time order.
	Periods []PeriodSummary
}

// PeriodSummary is what a user learned in one period.
type PeriodSummary struct {
	// Period is the instant at which the period starts, in the summary's zone.
	Period time.Time
	rollup.Sums
}

// Summary returns a summary from the rollups. Its cost depends only on the periods,
// not on the number of logs.
//
// It fails with [rollup.ErrEmptyRange] if From is after To, and with
// [rollup.ErrTooManyPeriods].
func (r *Reader) Summary(ctx context.Context, request SummaryRequest) (Summary, error) {
	return summarize(request, func(first, last time.Time) (map[int64]rollup.Sums, error) {
		return r.sums(ctx, request.UserID, request.Granularity, first, last)
	})
}

// summarize builds the summary of a request. read returns the sums of the periods
// that start from first to last, keyed by the start in microseconds.
func summarize(
	request SummaryRequest, read func(first, last time.Time) (map[int64]rollup.Sums, error),
) (Summary, error) {
	if request.From.After(request.To) {
		return Summary{}, rollup.ErrEmptyRange
	}
	starts, err := request.Granularity.Starts(request.From, request.To, request.Zone, MaxPeriods)
	if err != nil {
		return Summary{}, err
	}
	sums, err := read(starts[0], starts[len(starts)-1])
	if err != nil {
		return Summary{}, fmt.Errorf("reading a summary: %w", err)
	}

	summary := Summary{
		UserID:      request.UserID,
		Granularity: request.Granularity,
		From:        starts[0].In(request.Zone),
		To:          starts[len(starts)-1].In(request.Zone),
		Zone:        request.Zone,
	}
	most := len(starts)
	if request.OnlyWithLogs {
		most = min(most, len(sums))
	}
	summary.Periods = make([]PeriodSummary, 0, most)
	for _, start := range starts {
		period := PeriodSummary{Period: start.In(request.Zone), Sums: sums[start.UnixMicro()]}
		if request.OnlyWithLogs && period.Sums == (rollup.Sums{}) {
			continue
		}
		summary.Totals = summary.Totals.Plus(period.Sums)
		summary.Periods = append(summary.Periods, period)
	}
	return summary, nil
}

func (r *Reader) sums(
	ctx context.Context, userID uuid.UUID, granularity rollup.Granularity, first, last time.Time,
) (map[int64]rollup.Sums, error) {
	const query = `
		SELECT period, total_word_count, entry_count
		FROM learning_log_aggregates
		WHERE user_id = $1 AND granularity = $2 AND period BETWEEN $3 AND $4`
	return retry.Read(ctx, r.pool, collectSums, query, userID, string(granularity), first, last)
}

func collectSums(rows pgx.Rows) (map[int64]rollup.Sums, error) {
	sums := make(map[int64]rollup.Sums)
	var (
		period time.Time
		sum    rollup.Sums
	)
	_, err := pgx.ForEachRow(rows, []any{&period, &sum.TotalWordCount, &sum.EntryCount}, func() error {
		sums[period.UnixMicro()] = sum
		return nil
	})
	return sums, err
}

// Equal reports whether both summaries have the same periods and the same sums.
func (s Summary) Equal(other Summary) bool {
	return s.UserID == other.UserID && s.Granularity == other.Granularity && s.Totals == other.Totals &&
		s.From.Equal(other.From) && s.To.Equal(other.To) &&
		slices.EqualFunc(s.Periods, other.Periods, func(a, b PeriodSummary) bool {
			return a.Sums == b.Sums && a.Period.Equal(b.Period)
		})
}

// Size returns the approximate size of the summary in memory, in bytes.
func (s Summary) Size() int {
	return int(unsafe.Sizeof(s)) + cap(s.Periods)*int(unsafe.Sizeof(PeriodSummary{}))
}

// Active returns the number of periods that have a log.
func (s Summary) Active() int {
	active := 0
	for _, period := range s.Periods {
		if period.EntryCount > 0 {
			active++
		}
	}
	return active
}

// Best returns the period with the most words, and the first one if several have as
// many. It returns false if there is no log.
func (s Summary) Best() (best PeriodSummary, ok bool) {
	for _, period := range s.Periods {
		if period.EntryCount > 0 && (!ok || period.TotalWordCount > best.TotalWordCount) {
			best, ok = period, true
		}
	}
	return best, ok
}
