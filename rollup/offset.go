package rollup

import (
	"errors"
	"strings"
	"time"
)

// Offset is by how much a clock is ahead of UTC, in minutes, from [MinOffset] to
// [MaxOffset].
type Offset int16

// The offsets of the last and of the first place on Earth to begin a day: −12:00 and
// +14:00.
const (
	MinOffset Offset = -12 * 60
	MaxOffset Offset = +14 * 60
)

// OffsetAt returns the offset of the clocks in a location at an instant. A part of a
// minute, which no zone has had since 1972, is left out; and an offset outside the
// limits, which none has had since 1867, becomes the nearest one inside.
func OffsetAt(t time.Time, location *time.Location) Offset {
	const secondsPerMinute = 60
	_, seconds := t.In(location).Zone()
	minutes := floorDiv(int64(seconds), secondsPerMinute)
	return Offset(min(max(minutes, int64(MinOffset)), int64(MaxOffset)))
}

// ParseOffset parses an offset such as +09:00, -03:30 or Z, which is +00:00. The text of
// its error completes a sentence that begins with the name of the field.
func ParseOffset(text string) (Offset, error) {
	const secondsPerMinute = 60
	t, err := time.Parse("Z07:00", text)
	_, seconds := t.Zone()
	offset := seconds / secondsPerMinute
	if err != nil || offset < int(MinOffset) || offset > int(MaxOffset) || strings.HasSuffix(text, ":60") {
		return 0, errors.New("must be an offset from -12:00 to +14:00, such as +05:30")
	}
	return Offset(offset), nil
}

// String returns the offset as ParseOffset reads it, such as +09:00.
func (o Offset) String() string { return string(o.AppendTo(nil)) }

// AppendTo appends the offset as String returns it.
func (o Offset) AppendTo(text []byte) []byte {
	sign, minutes := byte('+'), int(o)
	if o < 0 {
		sign, minutes = '-', -minutes
	}
	digits := func(n int) (byte, byte) { return '0' + byte(n/10), '0' + byte(n%10) } //nolint:gosec // less than 100
	h1, h2 := digits(minutes / 60)
	m1, m2 := digits(minutes % 60)
	return append(text, sign, h1, h2, ':', m1, m2)
}

// Location returns a location whose clocks always have this offset.
func (o Offset) Location() *time.Location { return time.FixedZone("", int(o)*60) }

// DateAt returns the date that a clock with this offset shows at an instant.
func (o Offset) DateAt(t time.Time) Date {
	return DateOf(t.UTC().Add(time.Duration(o) * time.Minute))
}
