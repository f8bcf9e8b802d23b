// Package timerange parses the ends of time ranges in the forms that people write.
package timerange

import (
	"errors"
	"strings"
	"time"

	"learninglog/rollup"
)

// Expected describes what [Parse] accepts.
const Expected = "must be a date such as 2026-11-22, or an RFC 3339 date-time such as 2026-11-22T08:30:00Z"

// Bound is an end of a range: an instant or a whole day.
type Bound struct {
	// At is the instant or the start of the day, in UTC.
	At time.Time
	// WholeDay says that the bound was a date without a time.
	WholeDay bool
}

// Parse parses an RFC 3339 date-time, or a date in zone. The year must be from 1 to
// 9998. The text of the error completes a sentence that begins with the name of the
// field.
func Parse(text string, zone *time.Location) (Bound, error) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		noon := time.Date(date.Year(), date.Month(), date.Day(), 12, 0, 0, 0, zone) // every day has a noon, even if its midnight is skipped
		return checkYear(Bound{At: rollup.Day.StartOf(noon, zone), WholeDay: true})
	}
	at, err := ParseInstant(text)
	if err != nil {
		if _, err := ParseInstant(strings.Replace(text, " ", "+", 1)); err == nil {
			return Bound{}, errors.New(Expected + "; in a URL, + must be written %2B")
		}
		return Bound{}, errors.New(Expected)
	}
	return checkYear(Bound{At: at})
}

// ParseInstant parses an RFC 3339 date-time, and returns the instant in UTC.
func ParseInstant(text string) (time.Time, error) {
	at, err := ParseDateTime(text)
	return at.UTC(), err
}

// ParseDateTime parses an RFC 3339 date-time, and returns it with its offset.
func ParseDateTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !isDateTime(text) {
		return time.Time{}, errors.New("not an RFC 3339 date-time")
	}
	return at, nil
}

// isDateTime reports whether text that time.Parse has accepted is valid in RFC 3339.
// time.Parse also accepts hours with one digit, commas, and offsets of a whole day.
func isDateTime(text string) bool {
	const (
		hoursEnd = len("2026-11-22T08")
		offset   = len("+00:00")
	)
	if text[hoursEnd] != ':' || strings.IndexByte(text, ',') >= 0 {
		return false
	}
	if strings.HasSuffix(text, "Z") {
		return true
	}
	hours, minutes, _ := strings.Cut(text[len(text)-offset+1:], ":")
	return hours <= "23" && minutes <= "59"
}

// checkYear limits the years, so that the periods of the bound and the adjacent
// periods have years with four digits.
func checkYear(bound Bound) (Bound, error) {
	const first, last = 1, 9998
	if year := bound.At.Year(); year < first || year > last {
		return Bound{}, errors.New("must be in the years 1 to 9998")
	}
	return bound, nil
}

// Last returns the last instant that belongs to the bound, to the microsecond, for a
// range that includes its end.
func (b Bound) Last(zone *time.Location) time.Time {
	return b.Until(zone).Add(-time.Microsecond)
}

// Until returns the first instant after the bound, for a range that includes its
// end.
func (b Bound) Until(zone *time.Location) time.Time {
	if b.WholeDay {
		return rollup.Day.Next(b.At, zone)
	}
	return b.At.Add(time.Microsecond)
}
