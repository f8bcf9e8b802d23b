// Package rollup defines what a period is, and how the sums of each period are kept
// in learning_log_aggregates. Summaries are read from that table. It has one row for
// each user, [Granularity] and period, with the [Sums] of the logs. No other package
// defines periods. [AddSQL] is the statement that adds to the table. The package runs
// no queries itself.
//
// Sums are changed by adding differences, never by setting them. Additions commute,
// so writers and rebuilds may work on the same rows at the same time without
// excluding each other.
//
// A period is named by its first day, a [Date]. It has the logs whose learner's clock
// showed a date in it: the clock of a log is ahead of UTC by the log's [Offset]. So a
// period needs no time zone, and a change of the clocks moves nothing.
package rollup

import (
	"math"
	"math/big"
)

// Sums are the sums that the rollup keeps for one period. The zero value means the
// same as no row: nothing was learned.
type Sums struct {
	// TotalWordCount is the sum of the word counts of all logs.
	TotalWordCount int64 `json:"total_word_count"`
	// EntryCount is the number of logs.
	EntryCount int64 `json:"entry_count"`
}

// Plus returns the sums of both, which must fit.
func (s Sums) Plus(other Sums) Sums {
	return Sums{
		TotalWordCount: s.TotalWordCount + other.TotalWordCount,
		EntryCount:     s.EntryCount + other.EntryCount,
	}
}

// PlusIfFits returns the sums of both, or false if they don't fit into a bigint. Only
// corrupt rows of the rollup can have so large numbers.
func (s Sums) PlusIfFits(other Sums) (sums Sums, fits bool) {
	sums = s.Plus(other)
	return sums, (sums.TotalWordCount > s.TotalWordCount) == (other.TotalWordCount > 0) &&
		(sums.EntryCount > s.EntryCount) == (other.EntryCount > 0)
}

// MinusWithinBounds returns the difference of the sums from others. Of one that doesn't fit into
// a bigint, which only corrupt rows of the rollup can have, it returns as much as fits.
func (s Sums) MinusWithinBounds(other Sums) Sums {
	return Sums{
		TotalWordCount: minusWithinBounds(s.TotalWordCount, other.TotalWordCount),
		EntryCount:     minusWithinBounds(s.EntryCount, other.EntryCount),
	}
}

func minusWithinBounds(a, b int64) int64 {
	switch difference := a - b; {
	case a >= b && difference < 0:
		return math.MaxInt64
	case a < b && difference >= 0:
		return math.MinInt64
	default:
		return difference
	}
}

// Average returns the words per log: the exact quotient, rounded once to the
// nearest float64, and 0 where there is no log.
func (s Sums) Average() float64 {
	if s.EntryCount == 0 {
		return 0
	}
	// Both numbers are exact as float64, so this quotient is also rounded only once.
	const exact = 1 << 53
	if max(s.TotalWordCount, s.EntryCount) <= exact && min(s.TotalWordCount, s.EntryCount) >= -exact {
		return float64(s.TotalWordCount) / float64(s.EntryCount)
	}
	average, _ := big.NewRat(s.TotalWordCount, s.EntryCount).Float64()
	return average
}
