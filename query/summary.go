package query

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// MaxPeriods is the largest number of periods in a summary.
const MaxPeriods = 10_000

// SummaryRequest selects a summary.
type SummaryRequest struct {
	UserID      uuid.UUID
	Granularity rollup.Granularity
	// From is a date in the first period, and To a date in the last. Both periods are
	// completely included. If To is nil, the last period is the one of today; if From is
	// nil, there are [DefaultPeriods].
	From, To *rollup.Date
	// Clock tells which day is today, if To is nil.
	Clock Clock
	// Compare adds the range before: see [Summary.Before].
	Compare bool
	// OnlyWithLogs leaves out periods without logs, instead of filling them with
	// zeros.
	OnlyWithLogs bool
}

// YearRequest returns the request for the days with logs in a calendar year.
func YearRequest(userID uuid.UUID, year int) SummaryRequest {
	return SummaryRequest{
		UserID:       userID,
		Granularity:  rollup.Day,
		From:         new(rollup.NewDate(year, time.January, 1)),
		To:           new(rollup.NewDate(year, time.December, 31)),
		OnlyWithLogs: true,
	}
}

// AboutPeriods returns about how many periods the summary will have at most, as if none were
// left out because it has no logs.
func (r SummaryRequest) AboutPeriods() int {
	_, to := r.Clock.todays()
	if r.To != nil {
		to = *r.To
	}
	if r.From == nil {
		return DefaultPeriods(r.Granularity)
	}
	return r.Granularity.AtMost(*r.From, to)
}

// IsSmall reports whether the summary reads few rows, at most a hundred. Then it shares a round
// trip with others.
func (r SummaryRequest) IsSmall() bool {
	const most, monthsPerYear = 100, 12
	rows := r.AboutPeriods()
	switch r.Granularity {
	case rollup.Total: // of all months
		return false
	case rollup.Year:
		rows *= monthsPerYear
	default:
	}
	if r.Compare {
		rows *= 2
	}
	return rows <= most
}

// DefaultPeriods returns how many periods a summary has by default: 30 days, 12 weeks,
// 12 months, 5 years or the only total.
func DefaultPeriods(granularity rollup.Granularity) int {
	switch granularity {
	case rollup.Day:
		return 30
	case rollup.Year:
		return 5
	case rollup.Total:
		return 1
	default:
		return 12
	}
}

// DefaultFrom returns the first date of the first of [DefaultPeriods] periods, of which
// the last contains to. No period begins before the year 1.
func DefaultFrom(granularity rollup.Granularity, to rollup.Date) rollup.Date {
	return max(rollup.NewDate(1, time.January, 1), granularity.Add(to, 1-DefaultPeriods(granularity)))
}

// starts returns the first dates of the periods of the summary if today is that date.
func (r SummaryRequest) starts(today rollup.Date) ([]rollup.Date, error) {
	first, last := r.ends(today)
	if first > last {
		return nil, rollup.ErrEmptyRange
	}
	return r.Granularity.Starts(first, last, MaxPeriods)
}

// ends returns the first and the last date of the summary if today is that date.
func (r SummaryRequest) ends(today rollup.Date) (first, last rollup.Date) {
	last = today
	if r.To != nil {
		last = *r.To
	}
	if r.From != nil {
		return *r.From, last
	}
	return DefaultFrom(r.Granularity, last), last
}

// Summary is what a user learned in a range of periods.
type Summary struct {
	UserID      uuid.UUID
	Granularity rollup.Granularity
	// From and To are the first dates of the first and of the last period, both
	// included. A request with these values returns the same summary.
	From, To rollup.Date
	// Totals are the sums over the whole range.
	Totals rollup.Sums
	// Periods are in time order.
	Periods []PeriodSummary
	// Before has the sums of the range before, if the request asked for it: of as many
	// periods before the range. Days are moved back by whole weeks, as few as possible,
	// so that both ranges have the same weekdays: three days are compared with the same
	// three days of the week before. Nil if that would begin before the year 1.
	Before *RangeSums
}

// RangeSums are the sums over a range of periods.
type RangeSums struct {
	// From and To are the first dates of the first and of the last period.
	From, To rollup.Date
	rollup.Sums
}

// PeriodSummary is what a user learned in one period.
type PeriodSummary struct {
	// Period is the first date of the period.
	Period rollup.Date
	rollup.Sums
}

// Summary returns a summary from the rollups. Its cost depends only on the periods,
// not on the number of logs.
//
// It fails with [rollup.ErrEmptyRange] if the range ends before it begins, with
// [rollup.ErrTooManyPeriods], and with [ErrSumTooLarge].
func (r *Reader) Summary(ctx context.Context, request SummaryRequest) (Summary, error) {
	if request.To == nil && request.Clock.Zone == nil {
		return r.summaryUntilToday(ctx, request)
	}
	if request.To == nil {
		request.To = new(request.Clock.Today())
	}
	starts, err := request.starts(*request.To)
	if err != nil {
		return Summary{}, err
	}
	read := func(rows pgx.Rows) (orderedSums, error) { return request.collectSums(rows) }
	sums, err := request.read(ctx, r, read, sumsSQL, *request.To, *request.To)
	if err != nil {
		return Summary{}, err
	}
	return newSummary(request, starts, sums)
}

// read runs a query of sums that begins with the parameters of sumsSQL. Today is at least one
// date and at most another.
func (r SummaryRequest) read(
	ctx context.Context, reader *Reader, collect func(pgx.Rows) (orderedSums, error), sql string, earliest, latest rollup.Date,
) (sums orderedSums, err error) {
	arguments := r.arguments(earliest, latest)
	if r.IsSmall() {
		sums, err = readSmall(ctx, reader, r.UserID, collect, sql, arguments...)
	} else {
		sums, err = retry.Read(ctx, reader.at(r.UserID), collect, sql, arguments...)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a summary: %w", err)
	}
	return sums, nil
}

// sumsSQL is a query of the sums of the user $1, in the periods of the granularity $2
// from $3 to $4.
const sumsSQL = `
	SELECT ` + rollup.PeriodNumberSQL + `, total_word_count, entry_count
	FROM learning_log_aggregates
	WHERE user_id = $1 AND granularity = $2 AND period BETWEEN $3 AND $4`

// summaryUntilToday finds out what date it is for the learner by the same query that
// reads the sums. So it reads the sums of all dates that it may be.
func (r *Reader) summaryUntilToday(ctx context.Context, request SummaryRequest) (Summary, error) {
	earliest, latest := request.Clock.todays()
	clock := request.Clock
	read := func(rows pgx.Rows) (orderedSums, error) {
		var offset pgtype.Int2
		sums, err := request.collectSums(rows, &offset)
		clock.Zone = r.zoneOf(offset)
		return sums, err
	}
	sums, err := request.read(ctx, r, read, withLatestOffset(sumsSQL), earliest, latest)
	if err != nil {
		return Summary{}, err
	}
	starts, err := request.starts(clock.Today())
	if err != nil {
		return Summary{}, err
	}
	return newSummary(request, starts, sums)
}

// arguments returns those of sumsSQL if today is at least one date and at most another.
func (r SummaryRequest) arguments(earliest, latest rollup.Date) []any {
	first, _ := r.ends(earliest)
	_, last := r.ends(latest)
	if r.Compare {
		starts, _ := r.Granularity.Starts(first, last, MaxPeriods+2) // what is too long is refused later
		first = r.Granularity.Add(first, -r.distance(len(starts)))
	}
	// There are no logs before the year 0, and PostgreSQL has no dates long before it.
	first = max(r.Granularity.Start(first), rollup.NewDate(0, time.January, 1))
	return []any{
		r.UserID, string(r.Granularity.RolledUp()), first.Time(), (r.Granularity.Next(last) - 1).Time(),
	}
}

// distance returns how many periods a range of that many periods is after the one that it
// is compared with.
func (r SummaryRequest) distance(periods int) int {
	const daysPerWeek = 7
	if r.Granularity == rollup.Day {
		return (periods + daysPerWeek - 1) / daysPerWeek * daysPerWeek
	}
	return periods
}

// before returns the sums of the range before periods that start on these dates, or nil
// if that would begin before the year 1.
func (r SummaryRequest) before(starts []rollup.Date, sums orderedSums) (*RangeSums, error) {
	back := func(start rollup.Date) rollup.Date { return r.Granularity.Add(start, -r.distance(len(starts))) }
	before := RangeSums{From: back(starts[0]), To: back(starts[len(starts)-1])}
	if before.From < rollup.NewDate(1, time.January, 1) {
		return nil, nil
	}
	for _, start := range starts {
		var err error
		if before.Sums, err = plus(before.Sums, sums.next(back(start))); err != nil {
			return nil, err
		}
	}
	return &before, nil
}

func newSummary(request SummaryRequest, starts []rollup.Date, sums orderedSums) (summary Summary, err error) {
	summary = Summary{
		UserID:      request.UserID,
		Granularity: request.Granularity,
		From:        starts[0],
		To:          starts[len(starts)-1],
	}
	if request.Compare {
		if summary.Before, err = request.before(starts, sums); err != nil {
			return Summary{}, err
		}
	}
	most := len(starts)
	if request.OnlyWithLogs {
		most = min(most, len(sums))
	}
	summary.Periods = make([]PeriodSummary, 0, most)
	for _, start := range starts {
		period := PeriodSummary{Period: start, Sums: sums.next(start)}
		if request.OnlyWithLogs && period.Sums == (rollup.Sums{}) {
			continue
		}
		summary.Periods = append(summary.Periods, period)
	}
	if summary.Totals, err = total(summary.Periods); err != nil {
		return Summary{}, err
	}
	return summary, nil
}

// collectSums returns the sums in rows, in the order of their periods. The rows have the
// columns of sumsSQL after those that are scanned into before. A sum of null doesn't fit.
func (r SummaryRequest) collectSums(rows pgx.Rows, before ...any) (sums orderedSums, err error) {
	var (
		period         pgtype.Int4
		words, entries pgtype.Int8
	)
	_, err = pgx.ForEachRow(rows, append(before, &period, &words, &entries), func() error {
		if !period.Valid {
			return nil
		}
		if !words.Valid || !entries.Valid {
			return ErrSumTooLarge
		}
		if sums == nil {
			sums = make(orderedSums, 0, DefaultPeriods(r.Granularity)+1)
		}
		sums = append(sums, PeriodSummary{rollup.Date(period.Int32), rollup.Sums{TotalWordCount: words.Int64, EntryCount: entries.Int64}})
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(sums, func(a, b PeriodSummary) int { return cmp.Compare(a.Period, b.Period) })
	return sums.by(r.Granularity)
}

// Split returns the periods before the one that starts at a date, and the others. That
// date must be after From and at most To. It fails with [ErrSumTooLarge].
func (s Summary) Split(at rollup.Date) (before, rest Summary, err error) {
	n, _ := slices.BinarySearchFunc(s.Periods, at, func(p PeriodSummary, at rollup.Date) int {
		return cmp.Compare(p.Period, at)
	})
	before, rest = s, s
	before.To, before.Periods = s.Granularity.Add(at, -1), s.Periods[:n:n]
	rest.From, rest.Periods = at, s.Periods[n:]
	if before.Totals, err = total(before.Periods); err != nil {
		return Summary{}, Summary{}, err
	}
	if rest.Totals, err = total(rest.Periods); err != nil {
		return Summary{}, Summary{}, err
	}
	return before, rest, nil
}

func total(periods []PeriodSummary) (sums rollup.Sums, err error) {
	for _, period := range periods {
		if sums, err = plus(sums, period.Sums); err != nil {
			return rollup.Sums{}, err
		}
	}
	return sums, nil
}

// plus returns the sums of both, or [ErrSumTooLarge].
func plus(one, other rollup.Sums) (rollup.Sums, error) {
	sums, fits := one.PlusIfFits(other)
	if !fits {
		return rollup.Sums{}, ErrSumTooLarge
	}
	return sums, nil
}

// ChangePercent returns by how many per cent there are more words than in Before, or nil
// if that had none.
func (s Summary) ChangePercent() *float64 {
	if s.Before == nil {
		return nil
	}
	return Change(s.Before.Sums, s.Totals)
}

// Change returns by how many per cent there are more words in some sums than in others
// before, or nil if those had none.
func Change(before, now rollup.Sums) *float64 {
	if before.TotalWordCount <= 0 {
		return nil
	}
	const whole = 100
	return new(whole * (float64(now.TotalWordCount)/float64(before.TotalWordCount) - 1))
}

// Equal reports whether both summaries have the same periods and the same sums.
func (s Summary) Equal(other Summary) bool {
	return s.UserID == other.UserID && s.Granularity == other.Granularity && s.Totals == other.Totals &&
		s.From == other.From && s.To == other.To && slices.Equal(s.Periods, other.Periods) &&
		(s.Before == nil) == (other.Before == nil) && (s.Before == nil || *s.Before == *other.Before)
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
