package rollup

import (
	"errors"
	"time"
)

// Date is a civil date: a day of the calendar, without a time and without a zone. It
// counts days since 1 January 1970. Dates can be compared, and used as keys of maps.
type Date int32

const day = 24 * time.Hour

// NewDate returns the date of a year, month and day. As in [time.Date], a month or a day
// may be outside its usual range: 32 January is 1 February.
func NewDate(year int, month time.Month, dayOfMonth int) Date {
	return DateOf(time.Date(year, month, dayOfMonth, 0, 0, 0, 0, time.UTC))
}

// DateOf returns the date that t shows in its own location.
func DateOf(t time.Time) Date {
	_, ahead := t.Zone()
	return Date(floorDiv(t.Unix()+int64(ahead), int64(day/time.Second))) //nolint:gosec // years up to a million fit
}

// Time returns the date as a time.Time: its midnight in UTC.
func (d Date) Time() time.Time { return time.Unix(int64(d)*int64(day/time.Second), 0).UTC() }

// PeriodNumberSQL is an SQL expression for the column period as the number that a [Date] is,
// which takes less time to read than a date.
const PeriodNumberSQL = `(period - DATE '1970-01-01')`

// String returns the date as in ISO 8601, such as 2026-11-22.
func (d Date) String() string { return string(d.AppendTo(nil)) }

// AppendTo appends the date as String returns it. It takes a fifth of the time of
// AppendFormat, which was a quarter of that of a long summary.
func (d Date) AppendTo(text []byte) []byte {
	const ten, hundred, thousand = 10, 100, 1000
	year, month, dayOfMonth := d.Time().Date()
	if year < 0 || year >= ten*thousand {
		return d.Time().AppendFormat(text, time.DateOnly)
	}
	digit := func(number int) byte { return '0' + byte(number%ten) } //nolint:gosec // less than ten
	return append(text, digit(year/thousand), digit(year/hundred), digit(year/ten), digit(year), '-',
		digit(int(month)/ten), digit(int(month)), '-', digit(dayOfMonth/ten), digit(dayOfMonth))
}

// MarshalText returns the date as String does.
func (d Date) MarshalText() ([]byte, error) { return d.AppendTo(nil), nil }

// UnmarshalText is the inverse of MarshalText. From an RFC 3339 date-time, as versions
// without dates wrote them, it takes the date that it shows.
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) > len(time.DateOnly) && text[len(time.DateOnly)] == 'T' {
		text = text[:len(time.DateOnly)]
	}
	t, err := time.Parse(time.DateOnly, string(text))
	if err != nil {
		return errors.New("must be a date such as 2026-11-22")
	}
	*d = DateOf(t)
	return nil
}

// floorDiv returns the quotient rounded down; Go's operator rounds towards zero.
func floorDiv(a, b int64) int64 {
	if a < 0 {
		return (a+1)/b - 1
	}
	return a / b
}

// FirstInstant returns the instant at which the date begins where it begins first, on
// clocks that are 14 hours ahead of UTC.
func (d Date) FirstInstant() time.Time {
	return d.Time().Add(-time.Duration(MaxOffset) * time.Minute)
}

// EndInstant returns the instant at which the date has ended everywhere: on clocks that
// are 12 hours behind UTC, the next date begins.
func (d Date) EndInstant() time.Time {
	return (d + 1).Time().Add(-time.Duration(MinOffset) * time.Minute)
}
