package rollup_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"learninglog/rollup"
)

func TestADateIsWrittenAsPackageTimeWouldWriteIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		date := rollup.NewDate(rapid.IntRange(-100, 11_000).Draw(t, "year"), time.January, rapid.IntRange(1, 366).Draw(t, "day"))
		assert.Equal(t, date.Time().Format(time.DateOnly), date.String())
	})
}

func BenchmarkAppendDate(b *testing.B) {
	date, text := rollup.NewDate(2026, time.November, 25), make([]byte, 0, len(time.DateOnly))
	for b.Loop() {
		text = date.AppendTo(text[:0])
	}
}
