package chart

import (
	"math"
	"slices"
	"sort"

	"learninglog/query"
	"learninglog/rollup"
)

// MaxLevel is the highest level of a day in a calendar.
const MaxLevel = 4

// Levels tell how dark days are in a calendar, compared with each other: so one day of many
// words doesn't make all others look alike.
type Levels struct {
	words []int64 // of the days that have some, the fewest first
}

// NewLevels returns the levels of some days.
func NewLevels(days []query.PeriodSummary) Levels {
	words := make([]int64, 0, len(days))
	for _, day := range days {
		if day.TotalWordCount > 0 {
			words = append(words, day.TotalWordCount)
		}
	}
	slices.Sort(words)
	return Levels{words}
}

// Of returns the level of a day: 0 without a log, or else from 1 to [MaxLevel] by the quarter
// of the days with words in which it is. Days of as many words are in one, in the middle of
// where they would be. So where all days are alike, they are of level 2.
func (l Levels) Of(day rollup.Sums) int {
	if day.EntryCount == 0 {
		return 0
	}
	words, count := day.TotalWordCount, len(l.words)
	fewer := sort.Search(count, func(i int) bool { return l.words[i] >= words })
	upTo := sort.Search(count, func(i int) bool { return l.words[i] > words })
	quarter := MaxLevel * float64(fewer+upTo) / 2 / float64(max(1, count))
	return max(1, int(math.Ceil(quarter)))
}
