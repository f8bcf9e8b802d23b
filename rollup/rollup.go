// Package rollup says what a period is and how the sums of periods are kept in
// learning_log_aggregates, the table that summaries are read from: a row for every
// user, [Granularity] and period, with the [Sums] of its logs. It is the one place
// that knows what a period is, and has the one statement that adds to that table,
// [AddSQL]. It asks no database itself.
//
// Sums are changed by adding differences, never by setting them. Additions
// commute, so writers and rebuilds may work on the same rows at the same time
// without excluding each other.
//
// Periods belong to a time zone, which every function takes as an argument. It
// must be one that PostgreSQL knows by the same name: UTC or an IANA name,
// never [time.Local].
package rollup

import "math/big"

// Sums is what the rollup keeps of one period. The zero value says the same as
// no row: nothing was learned.
type Sums struct {
	// TotalWordCount is the sum of the words of all logs.
	TotalWordCount int64 `json:"total_word_count"`
	// EntryCount is the number of logs.
	EntryCount int64 `json:"entry_count"`
}

// Plus returns the sums of both.
func (s Sums) Plus(other Sums) Sums {
	return Sums{
		TotalWordCount: s.TotalWordCount + other.TotalWordCount,
		EntryCount:     s.EntryCount + other.EntryCount,
	}
}

// Average returns the words per log: the exact quotient, rounded once to the
// nearest float64, and 0 where there is no log.
func (s Sums) Average() float64 {
	if s.EntryCount == 0 {
		return 0
	}
	// Of numbers that a float64 holds exactly, the quotient is rounded only once too.
	const exact = 1 << 53
	if max(s.TotalWordCount, s.EntryCount) <= exact && min(s.TotalWordCount, s.EntryCount) >= -exact {
		return float64(s.TotalWordCount) / float64(s.EntryCount)
	}
	average, _ := big.NewRat(s.TotalWordCount, s.EntryCount).Float64()
	return average
}
