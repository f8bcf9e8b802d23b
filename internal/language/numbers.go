package language

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// numbers says how a language writes numbers. It is learned once from golang.org/x/text, which
// takes 2 µs and nine allocations for each.
type numbers struct {
	thousands, decimal          string
	beforePercent, afterPercent string
}

// numbersOf returns how numbers are written, always with the digits 0 to 9.
func numbersOf(tag language.Tag) numbers {
	if latin, err := tag.SetTypeForKey("nu", "latn"); err == nil {
		tag = latin
	}
	printer := message.NewPrinter(tag)
	const million, percent = 1000000.5, 0.11
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	symbols := strings.FieldsFunc(printer.Sprint(number.Decimal(million)), isDigit)
	before, after, _ := strings.Cut(printer.Sprint(number.Percent(percent)), "11")
	return numbers{
		thousands: symbols[0], decimal: symbols[len(symbols)-1],
		beforePercent: before, afterPercent: after,
	}
}

const minus = "−"

// append appends a number, which strconv has written, as the language writes it.
func (n numbers) append(to, written []byte) []byte {
	if after, isNegative := bytes.CutPrefix(written, []byte("-")); isNegative {
		to, written = append(to, minus...), after
	}
	integer, fraction, hasFraction := bytes.Cut(written, []byte("."))
	const digits = 3 // between two separators
	for i, digit := range integer {
		if i > 0 && (len(integer)-i)%digits == 0 {
			to = append(to, n.thousands...)
		}
		to = append(to, digit)
	}
	if hasFraction {
		to = append(append(to, n.decimal...), fraction...)
	}
	return to
}

// Number returns a whole number, such as 12,345.
func (l *Locale) Number(n int64) string {
	var digits, room [32]byte
	return string(l.numbers.append(room[:0], strconv.AppendInt(digits[:0], n, 10)))
}

// Decimal returns a number with one decimal, such as 12,345.0.
func (l *Locale) Decimal(x float64) string { return l.Decimals(x, 1) }

// Decimals returns a number with so many decimals, or with as many as it has if that is -1.
func (l *Locale) Decimals(x float64, decimals int) string {
	var digits, room [64]byte
	return string(l.numbers.append(room[:0], strconv.AppendFloat(digits[:0], x, 'f', decimals, 64)))
}

// Percent returns a difference in per cent, rounded and with its sign, such as +12%.
func (l *Locale) Percent(x float64) string {
	sign := ""
	switch x = math.Round(x); {
	case x > 0:
		sign = "+"
	case x < 0:
		sign = minus
	}
	return l.numbers.beforePercent + sign + l.Decimals(math.Abs(x), 0) + l.numbers.afterPercent
}
