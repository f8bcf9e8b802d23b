package api

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/query"
	"learninglog/rollup"
)

func someSummary(sums ...rollup.Sums) query.Summary {
	start := rollup.NewDate(2026, time.March, 1)
	summary := query.Summary{UserID: uuid.New(), Granularity: rollup.Day, From: start, To: start}
	for i, sum := range sums {
		summary.To = rollup.Day.Add(start, i)
		summary.Periods = append(summary.Periods, query.PeriodSummary{Period: summary.To, Sums: sum})
		summary.Totals = summary.Totals.Plus(sum)
	}
	return summary
}

// The hand-written encoding matches the documentation.
func TestASummaryIsWrittenAsItIsDocumented(t *testing.T) {
	t.Parallel()
	for _, summary := range []query.Summary{
		someSummary(),
		someSummary(rollup.Sums{}),
		someSummary(rollup.Sums{TotalWordCount: 10, EntryCount: 3}, rollup.Sums{}, rollup.Sums{TotalWordCount: 7, EntryCount: 7}),
		someSummary(rollup.Sums{TotalWordCount: 1, EntryCount: math.MaxInt64 / 2}), // with an exponent
		someSummary(rollup.Sums{TotalWordCount: -5, EntryCount: 2}),
		someSummary(rollup.Sums{TotalWordCount: math.MaxInt64, EntryCount: 1}),
	} {
		documented := Summary{
			UserID: summary.UserID.String(), Granularity: summary.Granularity,
			From: summary.From, To: summary.To, Sums: fromSums(summary.Totals), Periods: []Period{},
		}
		for _, period := range summary.Periods {
			documented.Periods = append(documented.Periods, Period{Period: period.Period, Sums: fromSums(period.Sums)})
		}
		want, err := json.Marshal(documented)
		require.NoError(t, err)
		assert.Equal(t, string(want)+"\n", string(summaryJSON(summary).body))
	}
}
