package rebuild

import (
	"cmp"
	"slices"
	"time"

	"learninglog/rollup"
)

// MaxExamples is how many drifted rows a rebuild keeps as examples. All of them are
// counted.
const MaxExamples = 100

// Progress is how far a rebuild has come. It is the output of its River job, and is
// committed with each chunk.
type Progress struct {
	UsersDone int64 `json:"users_done"`
	LogsDone  int64 `json:"logs_done"`
	// LogsExpected is about how many logs the scope has, by PostgreSQL's statistics
	// when the rebuild began. 0 means unknown.
	LogsExpected int64 `json:"logs_expected"`
	// LogsRezoned counts the logs that a re-zone gave another offset.
	LogsRezoned int64 `json:"logs_rezoned,omitempty"`
	// LogsPurged counts the logs that a purge deleted, or would if it is dry, and BytesPurged
	// is about how many bytes they took.
	LogsPurged  int64 `json:"logs_purged,omitempty"`
	BytesPurged int64 `json:"bytes_purged,omitempty"`
	// PurgedBefore is the instant before which a purge deletes logs. Of a re-zone it is the
	// one before which logs had been purged, whose days stay as they are. In UTC.
	PurgedBefore *time.Time `json:"purged_before,omitempty"`
	// Seconds is how long the rebuild has worked, without interruptions.
	Seconds float64 `json:"seconds"`
	// RowsDrifted counts the rows of the rollup that were wrong, and RowsRepaired
	// those that were repaired: all of them, or none in a dry run or a purge. A purge leaves
	// the users of such rows as they are.
	RowsDrifted  int64 `json:"rows_drifted"`
	RowsRepaired int64 `json:"rows_repaired"`
	// Drifted has RowsDrifted by granularity.
	Drifted DriftedRows `json:"drifted"`
	// Examples has the drifted rows that are furthest from the truth, the worst
	// first, at most [MaxExamples].
	Examples []Drift `json:"examples"`
}

// DriftedRows counts drifted rows by granularity.
type DriftedRows struct {
	Day   int64 `json:"day"`
	Week  int64 `json:"week"`
	Month int64 `json:"month"`
}

func (r *DriftedRows) count(granularity rollup.Granularity) {
	switch granularity {
	case rollup.Day:
		r.Day++
	case rollup.Week:
		r.Week++
	case rollup.Month:
		r.Month++
	default: // has no rows
	}
}

func (r DriftedRows) plus(other DriftedRows) DriftedRows {
	return DriftedRows{Day: r.Day + other.Day, Week: r.Week + other.Week, Month: r.Month + other.Month}
}

func (r DriftedRows) total() int64 { return r.Day + r.Week + r.Month }

// LogsPerSecond returns the average rate so far, or 0 if it is unknown yet.
func (p Progress) LogsPerSecond() float64 {
	if p.Seconds == 0 {
		return 0
	}
	return float64(p.LogsDone) / p.Seconds
}

// Remaining returns about how long the rebuild will still take at the rate so far,
// or false if that is unknown.
func (p Progress) Remaining() (time.Duration, bool) {
	rate := p.LogsPerSecond()
	if rate == 0 || p.LogsExpected == 0 {
		return 0, false
	}
	left := max(0, p.LogsExpected-p.LogsDone)
	return time.Duration(float64(left) / rate * float64(time.Second)), true
}

// plus returns the progress after one more chunk.
func (p Progress) plus(chunk Chunk, repairs bool) Progress {
	p.UsersDone += chunk.Users
	p.LogsDone += chunk.Logs
	p.LogsRezoned += chunk.Rezoned
	p.LogsPurged += chunk.Purged
	p.BytesPurged += bytesPerLog * chunk.Purged
	p.RowsDrifted += chunk.Drifted.total()
	if repairs {
		p.RowsRepaired += chunk.Drifted.total()
	}
	p.Drifted = p.Drifted.plus(chunk.Drifted)
	p.Examples = slices.Clone(p.Examples)
	for _, drift := range chunk.Examples {
		p.Examples = withExample(p.Examples, drift)
	}
	return p
}

// withExample adds a row to examples, sorted with the worst first, if it is among
// the [MaxExamples] that are furthest from the truth. Of equal ones, the first by
// user, granularity (by name) and period are.
func withExample(examples []Drift, drift Drift) []Drift {
	at, _ := slices.BinarySearchFunc(examples, drift, func(example, drift Drift) int {
		return cmp.Or(
			drift.distance().cmp(example.distance()),
			compareIDs(example.UserID, drift.UserID),
			cmp.Compare(example.Granularity, drift.Granularity),
			cmp.Compare(example.Period, drift.Period),
		)
	})
	if at == MaxExamples {
		return examples
	}
	return slices.Insert(examples[:min(len(examples), MaxExamples-1)], at, drift)
}

// distance is how far a row is from the truth.
type distance struct{ words, entries uint64 }

func (d Drift) distance() distance {
	return distance{
		words:   difference(d.Was.TotalWordCount, d.Is.TotalWordCount),
		entries: difference(d.Was.EntryCount, d.Is.EntryCount),
	}
}

// cmp compares words first and then entries.
func (d distance) cmp(other distance) int {
	if words := cmp.Compare(d.words, other.words); words != 0 {
		return words
	}
	return cmp.Compare(d.entries, other.entries)
}

// difference is exact: two int64 may be further apart than an int64 can hold.
func difference(a, b int64) uint64 {
	if a < b {
		a, b = b, a
	}
	return uint64(a) - uint64(b) //nolint:gosec // arithmetic modulo 2^64 is intended
}
