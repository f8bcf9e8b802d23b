package rollup_test

import (
	"fmt"

	"learninglog/rollup"
)

func ExampleSums_Average() {
	sums := rollup.Sums{TotalWordCount: 10, EntryCount: 4}.Plus(rollup.Sums{TotalWordCount: 5, EntryCount: 2})
	fmt.Println(sums.Average(), rollup.Sums{}.Average())
	// Output: 2.5 0
}
