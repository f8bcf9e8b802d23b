package chart //nolint:testpackage // the scale is nobody else's

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"learninglog/internal/language"
)

func TestScaleLabels(t *testing.T) {
	t.Parallel()
	for highest, want := range map[float64]string{
		0: "4", 1: "1", 3: "3", 9: "10", 100: "100", 261: "300", 950: "1k", 1200: "1.2k", 65_000: "80k", 9.2e18: "10E",
	} {
		assert.Equal(t, want, newScale(highest).label(language.English(), steps), "%v", highest)
	}
	assert.Equal(t, "37.5k", compact(language.English(), 37_500))
	assert.Equal(t, "0.25", newScale(1).label(language.English(), 1))
}

// The highest bar has room, and more than half of it is used.
func TestScaleFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		highest := rapid.Float64Range(0.01, math.MaxInt64).Draw(t, "highest")
		height := newScale(highest).height(highest)
		assert.LessOrEqual(t, height, 1.000_001)
		assert.Greater(t, height, 0.5)
	})
}
