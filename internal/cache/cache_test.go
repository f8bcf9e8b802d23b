package cache //nolint:testpackage // how much memory it takes is nobody else's

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/query"
	"learninglog/rollup"
)

type text string

func (t text) Size() int { return len(t) }

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

func TestAnAnswerIsUsedAgainOnlyForTheSameSums(t *testing.T) {
	t.Parallel()
	const maxBytes, maxEntry = 1 << 20, 64 << 10
	cached := New[query.Summary, text](maxBytes, maxEntry)
	made := 0
	answer := func(key string, summary query.Summary) {
		_, err := cached.Get(key, summary, func() (text, error) {
			made++
			return "made", nil
		})
		require.NoError(t, err)
	}
	first := someSummary(rollup.Sums{TotalWordCount: 10, EntryCount: 3}, rollup.Sums{TotalWordCount: 5, EntryCount: 1})
	answer("a", first)
	answer("a", first)
	assert.Equal(t, 1, made)
	for _, change := range []func(*query.Summary){
		func(s *query.Summary) { s.Periods[0].TotalWordCount++ },
		func(s *query.Summary) { s.Periods[1].EntryCount++ },
		func(s *query.Summary) { s.Totals.TotalWordCount++ },
		func(s *query.Summary) { s.Periods = s.Periods[:1] },
		func(s *query.Summary) { s.UserID = uuid.New() },
		func(s *query.Summary) { s.Granularity = rollup.Week },
		func(s *query.Summary) { s.From-- },
		func(s *query.Summary) { s.To++ },
		func(s *query.Summary) { s.Periods[1].Period++ },
	} {
		other, before := first, made
		other.Periods = append([]query.PeriodSummary{}, first.Periods...)
		change(&other)
		answer("a", other)
		assert.Equal(t, before+1, made)
	}
	before := made
	answer("b", first)
	assert.Equal(t, before+1, made, "another key is another answer")
}

func TestNoErrorIsKept(t *testing.T) {
	t.Parallel()
	cached := New[query.Summary, text](1<<20, 64<<10)
	summary := someSummary()
	_, err := cached.Get("a", summary, func() (text, error) { return "", assert.AnError })
	require.ErrorIs(t, err, assert.AnError)
	answer, err := cached.Get("a", summary, func() (text, error) { return "made", nil })
	require.NoError(t, err)
	assert.Equal(t, text("made"), answer)
}

// The length of the requested ranges doesn't matter.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	const maxBytes, maxEntry = 32 << 20, 256 << 10
	cached := New[query.Summary, text](maxBytes, maxEntry)
	for _, periods := range []int{3000, 300} {
		for i := range 2 * maxBytes / (periods * 40) {
			summary := someSummary()
			summary.Periods = make([]query.PeriodSummary, 0, periods)
			_, err := cached.Get(strconv.Itoa(periods)+"/"+strconv.Itoa(i), summary, func() (text, error) { return "{}", nil })
			require.NoError(t, err)
		}
	}
	cached.entries.CleanUp()
	assert.LessOrEqual(t, cached.entries.WeightedSize(), uint64(maxBytes))
	assert.Positive(t, cached.entries.EstimatedSize())
}

func TestALargeAnswerIsNotKept(t *testing.T) {
	t.Parallel()
	const maxEntry = 1000
	cached := New[query.Summary, text](1<<20, maxEntry)
	for _, answer := range []text{"small", text(make([]byte, maxEntry))} {
		_, err := cached.Get(strconv.Itoa(len(answer)), someSummary(), func() (text, error) { return answer, nil })
		require.NoError(t, err)
	}
	cached.entries.CleanUp()
	assert.Equal(t, 1, cached.entries.EstimatedSize())
}
