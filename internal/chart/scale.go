package chart

import (
	"math"

	"learninglog/internal/language"
)

// steps is how many parts the grid divides the height into.
const steps = 4

// scale maps values from 0 to a round number at the top onto a height.
type scale struct {
	step float64
}

// newScale returns the smallest scale of round steps that has room for highest, which
// must not be negative.
func newScale(highest float64) scale {
	if highest <= 0 {
		return scale{step: 1}
	}
	power := math.Pow(10, math.Floor(math.Log10(highest/steps)))
	for _, factor := range []float64{1, 1.5, 2, 2.5, 3, 4, 5, 7.5} {
		if power*factor*steps >= highest {
			return scale{step: power * factor}
		}
	}
	return scale{step: 10 * power}
}

// height returns how high a value is, where the top is 1.
func (s scale) height(value float64) float64 { return value / (s.step * steps) }

// label is the value at a grid line, counted from 0 at the bottom.
func (s scale) label(locale *language.Locale, line int) string {
	return compact(locale, s.step*float64(line))
}

// compact writes a number with a unit prefix: 950, 1.5k, 20M.
func compact(locale *language.Locale, value float64) string {
	for _, unit := range []struct {
		size   float64
		letter string
	}{{1e18, "E"}, {1e15, "P"}, {1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if value >= unit.size {
			return short(locale, value/unit.size) + unit.letter
		}
	}
	return short(locale, value)
}

// short writes at most three decimals, without trailing zeros.
func short(locale *language.Locale, value float64) string {
	const precision = 1000
	return locale.Decimals(math.Round(value*precision)/precision, -1)
}
