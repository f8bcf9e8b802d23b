package chart_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/internal/chart"
	"learninglog/query"
	"learninglog/rollup"
)

func TestDaysHaveTheLevelsOfTheirQuarters(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		words []int64
		want  []int
	}{
		"one":                                  {[]int64{7}, []int{2}},
		"all alike":                            {[]int64{20, 20, 20}, []int{2, 2, 2}},
		"two":                                  {[]int64{1, 2}, []int{1, 3}},
		"a quarter each":                       {[]int64{1, 2, 3, 4, 5, 6, 7, 8}, []int{1, 1, 2, 2, 3, 3, 4, 4}},
		"one of many doesn't fade all others":  {[]int64{10, 20, 30, 1_000_000}, []int{1, 2, 3, 4}},
		"days without words don't count":       {[]int64{0, 0, 0, 0, 1, 2, 3, 4}, []int{1, 1, 1, 1, 1, 2, 3, 4}},
		"days of as many words are of a level": {[]int64{5, 5, 5, 5, 5, 5, 9, 9}, []int{2, 2, 2, 2, 2, 2, 4, 4}},
		"no words at all":                      {[]int64{0}, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			days := make([]query.PeriodSummary, len(test.words))
			for i, words := range test.words {
				days[i].Sums = rollup.Sums{TotalWordCount: words, EntryCount: 1}
			}
			levels := chart.NewLevels(days)
			var got []int
			for _, day := range days {
				got = append(got, levels.Of(day.Sums))
			}
			assert.Equal(t, test.want, got)
			assert.Zero(t, levels.Of(rollup.Sums{}), "without a log")
		})
	}
}
