package query

import (
	"cmp"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/rollup"
)

// Days are days on which a user has logs, in time order. All that is shown of a range, of
// its weeks, months and years can be made from them. There are at most as many as there are days
// on which a log may be.
type Days []PeriodSummary

const daysSQL = `
	SELECT ` + rollup.PeriodNumberSQL + `, total_word_count, entry_count
	FROM learning_log_aggregates
	WHERE user_id = $1 AND granularity = 'day' AND entry_count > 0
	ORDER BY period`

func collectDays(rows pgx.Rows) (days Days, err error) {
	var (
		period         int32
		words, entries pgtype.Int8
	)
	_, err = pgx.ForEachRow(rows, []any{&period, &words, &entries}, func() error {
		if !words.Valid || !entries.Valid {
			return ErrSumTooLarge
		}
		days = append(days, PeriodSummary{
			Period: rollup.Date(period),
			Sums:   rollup.Sums{TotalWordCount: words.Int64, EntryCount: entries.Int64},
		})
		return nil
	})
	return days, err
}

// Between returns the days from one date to another, both included.
func (d Days) Between(from, to rollup.Date) Days {
	first, last := d.search(from), d.search(to+1)
	return d[first:max(first, last)]
}

// search returns how many of the days are before a date.
func (d Days) search(date rollup.Date) int {
	n, _ := slices.BinarySearchFunc(d, date, func(day PeriodSummary, date rollup.Date) int { return cmp.Compare(day.Period, date) })
	return n
}

// Totals returns the sums over all days. It fails with [ErrSumTooLarge].
func (d Days) Totals() (rollup.Sums, error) { return total(d) }

// Best returns the day with the most words, and the first one if several have as many. It
// returns false if there is none.
func (d Days) Best() (best PeriodSummary, ok bool) { return Summary{Periods: d}.Best() }

// Summary returns what [Reader.Summary] does if the days are all of the user. The request
// must have From and To.
func (d Days) Summary(request SummaryRequest) (Summary, error) {
	starts, err := request.starts(*request.To)
	if err != nil {
		return Summary{}, err
	}
	from := request.Granularity.Start(*request.From)
	if request.Compare {
		from = request.Granularity.Add(from, -request.distance(len(starts)))
	}
	sums, err := orderedSums(slices.Clone(d.Between(from, request.Granularity.Next(*request.To)-1))).by(request.Granularity)
	if err != nil {
		return Summary{}, err
	}
	return newSummary(request, starts, sums)
}

// Streaks returns what [Reader.Streaks] does if the days are all of the user.
func (d Days) Streaks(today rollup.Date, allowedGap int) Streaks {
	counted := streakCount{Streaks: Streaks{Today: today, AllowedGap: allowedGap}}
	for _, day := range d {
		counted.add(day.Period)
	}
	return counted.ended()
}
