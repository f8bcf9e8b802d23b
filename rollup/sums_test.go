package rollup_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"learninglog/rollup"
)

func TestSumsThatDoNotFitAreFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		one, other int64
		fits       bool
	}{
		{0, 0, true},
		{math.MaxInt64, 0, true},
		{math.MaxInt64 - 1, 1, true},
		{math.MaxInt64, 1, false},
		{math.MaxInt64, math.MaxInt64, false},
		{math.MaxInt64, math.MinInt64, true},
		{math.MinInt64, 0, true},
		{math.MinInt64, -1, false},
		{math.MinInt64, math.MinInt64, false},
		{-1, 1, true},
	} {
		for _, pair := range [][2]int64{{test.one, test.other}, {test.other, test.one}} {
			words, fits := rollup.Sums{TotalWordCount: pair[0]}.PlusIfFits(rollup.Sums{TotalWordCount: pair[1]})
			assert.Equal(t, test.fits, fits, "words %v", pair)
			entries, fits := rollup.Sums{EntryCount: pair[0]}.PlusIfFits(rollup.Sums{EntryCount: pair[1]})
			assert.Equal(t, test.fits, fits, "entries %v", pair)
			if test.fits {
				assert.Equal(t, rollup.Sums{TotalWordCount: pair[0] + pair[1]}, words)
				assert.Equal(t, rollup.Sums{EntryCount: pair[0] + pair[1]}, entries)
			}
		}
	}
}

func TestDifferencesAreCutToWhatFits(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ is, was, difference int64 }{
		{5, 3, 2},
		{3, 5, -2},
		{0, math.MaxInt64, -math.MaxInt64},
		{0, math.MinInt64, math.MaxInt64},
		{-1, math.MinInt64, math.MaxInt64},
		{-2, math.MaxInt64, math.MinInt64},
		{1, math.MinInt64, math.MaxInt64},
		{math.MinInt64, 0, math.MinInt64},
		{math.MaxInt64, -1, math.MaxInt64},
		{math.MaxInt64, math.MinInt64, math.MaxInt64},
		{math.MinInt64, math.MaxInt64, math.MinInt64},
		{math.MinInt64, math.MinInt64, 0},
	} {
		is, was := rollup.Sums{TotalWordCount: test.is, EntryCount: 7}, rollup.Sums{TotalWordCount: test.was, EntryCount: 9}
		assert.Equal(t, rollup.Sums{TotalWordCount: test.difference, EntryCount: -2}, is.MinusWithinBounds(was), "%+v", test)
		is, was = rollup.Sums{EntryCount: test.is}, rollup.Sums{EntryCount: test.was}
		assert.Equal(t, rollup.Sums{EntryCount: test.difference}, is.MinusWithinBounds(was), "%+v", test)
	}
}

func ExampleSums_Average() {
	sums := rollup.Sums{TotalWordCount: 10, EntryCount: 4}.Plus(rollup.Sums{TotalWordCount: 5, EntryCount: 2})
	fmt.Println(sums.Average(), rollup.Sums{}.Average())
	// Output: 2.5 0
}
