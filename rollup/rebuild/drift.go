package rebuild

import (
	"fmt"

	"github.com/google/uuid"

	"learninglog/rollup"
)

// Drift is a row of the rollup that differs from its logs. A missing row counts as
// zero sums.
type Drift struct {
	UserID      uuid.UUID          `json:"user_id"`
	Granularity rollup.Granularity `json:"granularity"`
	// Period is the first date of the period.
	Period rollup.Date `json:"period"`
	// Was is what the rollup had.
	Was rollup.Sums `json:"was"`
	// Is is the truth, counted from the logs.
	Is rollup.Sums `json:"is"`
}

// String describes the drift in one line.
func (d Drift) String() string {
	return fmt.Sprintf("%s %s %s: rollup (%d words, %d entries), logs (%d words, %d entries)",
		d.UserID, d.Granularity, d.Period,
		d.Was.TotalWordCount, d.Was.EntryCount, d.Is.TotalWordCount, d.Is.EntryCount)
}
