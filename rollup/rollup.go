// Package rollup keeps learning_log_aggregates, the table that summaries are
// read from: for every user and [Granularity] the sums of the logs of each
// period. It is the one place that knows what a period is and the only one
// that writes that table.
//
// Sums are changed by adding differences, never by setting them. Additions
// commute, so writers, voids and rebuilds may work on the same rows at the same
// time without excluding each other: see [AddSQL] for what a writer adds in the
// transaction that records its logs, and [Rebuild] for how drift (the truth
// minus the rollup) is found and added.
//
// Periods belong to a time zone, which every function takes as an argument. It
// must be one that PostgreSQL knows by the same name: UTC or an IANA name,
// never [time.Local].
package rollup

import (
	"fmt"
	"math/big"
)

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

// AddSQL returns the statement that adds learning logs to the rollups, for use
// as a data-modifying WITH query beside the one that wrote them.
//
// source names a relation with the columns user_id, word_count and "timestamp":
// usually what INSERT INTO learning_log … RETURNING gave back, so that only
// logs that were really recorded are counted. zone is the SQL expression,
// usually a parameter, of the name of the zone whose periods are meant. Both
// are pasted into the statement: never pass what a client sent.
//
// Rows are upserted in the order of their key, as by every other writer, so
// that two writers may wait for each other but do not deadlock.
func AddSQL(source, zone string) string {
	return fmt.Sprintf(`
		INSERT INTO learning_log_aggregates AS a
		    (user_id, granularity, period, total_word_count, entry_count)
		SELECT user_id, granularity, date_trunc(granularity, "timestamp", %s), sum(word_count), count(*)
		FROM %s CROSS JOIN (VALUES ('day'), ('week'), ('month')) AS g (granularity)
		GROUP BY 1, 2, 3
		ORDER BY 1, 2, 3
		ON CONFLICT (user_id, granularity, period) DO UPDATE SET
		    total_word_count = a.total_word_count + excluded.total_word_count,
		    entry_count = a.entry_count + excluded.entry_count`, zone, source)
}
