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
	start := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	summary := query.Summary{UserID: uuid.New(), Granularity: rollup.Day, From: start, To: start.AddDate(0, 0, len(sums)), Zone: time.UTC}
	for i, sum := range sums {
		summary.Periods = append(summary.Periods, query.PeriodSummary{Period: start.AddDate(0, 0, i), Sums: sum})
		summary.Totals = summary.Totals.Plus(sum)
	}
	return summary
}

// What is written by hand is what is documented.
func TestASummaryIsWrittenAsItIsDocumented(t *testing.T) {
	t.Parallel()
	for _, summary := range []query.Summary{
		someSummary(),
		someSummary(rollup.Sums{}),
		someSummary(rollup.Sums{TotalWordCount: 10, EntryCount: 3}, rollup.Sums{}, rollup.Sums{TotalWordCount: 7, EntryCount: 7}),
		someSummary(rollup.Sums{TotalWordCount: 1, EntryCount: math.MaxInt64 / 2}), // an exponent
		someSummary(rollup.Sums{TotalWordCount: -5, EntryCount: 2}),
		someSummary(rollup.Sums{TotalWordCount: math.MaxInt64, EntryCount: 1}),
	} {
		documented := Summary{
			UserID: summary.UserID.String(), Granularity: summary.Granularity, Zone: summary.Zone.String(),
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

func TestWhatIsKeptIsUsedOnlyForTheSameSums(t *testing.T) {
	t.Parallel()
	kept := newRepresentations()
	written := 0
	answer := func(summary query.Summary) {
		kept.of("json", summary, false, func(summary query.Summary) representation {
			written++
			return summaryJSON(summary)
		})
	}
	first := someSummary(rollup.Sums{TotalWordCount: 10, EntryCount: 3}, rollup.Sums{TotalWordCount: 5, EntryCount: 1})
	answer(first)
	answer(first)
	assert.Equal(t, 1, written)
	for _, change := range []func(*query.Summary){
		func(s *query.Summary) { s.Periods[0].TotalWordCount++ },
		func(s *query.Summary) { s.Periods[1].EntryCount++ },
		func(s *query.Summary) { s.Totals.TotalWordCount++ },
		func(s *query.Summary) { s.Periods = s.Periods[:1] },
		func(s *query.Summary) { s.UserID = uuid.New() },
		func(s *query.Summary) { s.Granularity = rollup.Week },
		func(s *query.Summary) { s.To = s.To.AddDate(0, 0, 1) },
	} {
		other, before := first, written
		other.Periods = append([]query.PeriodSummary{}, first.Periods...)
		change(&other)
		answer(other)
		assert.Equal(t, before+1, written)
	}
}

// However long the ranges are that are asked for.
func TestWhatIsKeptIsBounded(t *testing.T) {
	t.Parallel()
	kept := newRepresentations()
	for _, periods := range []int{3000, 300} {
		for range 2 * maxKeptBytes / (periods * 40) {
			summary := someSummary()
			summary.Periods = make([]query.PeriodSummary, 0, periods)
			kept.of("json", summary, true, func(query.Summary) representation { return newRepresentation(mediaJSON, []byte("{}")) })
		}
	}
	kept.kept.CleanUp()
	assert.LessOrEqual(t, kept.kept.WeightedSize(), uint64(maxKeptBytes))
	assert.Positive(t, kept.kept.EstimatedSize())
}
