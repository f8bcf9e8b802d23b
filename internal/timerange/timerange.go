// Package timerange parses dates and times in the forms that people write.
package timerange

import (
	"errors"
	"strings"
	"time"

	"learninglog/rollup"
)

// Expected describes what [ParseDate] and [ParseSince] accept.
const Expected = "must be a date such as 2026-11-22, or an RFC 3339 date-time such as 2026-11-22T08:30:00Z"

// ParseDate parses a date, or an RFC 3339 date-time, which means the date that it shows.
// The year must be from 1 to 9998. The text of the error completes a sentence that begins
// with the name of the field.
func ParseDate(text string) (rollup.Date, error) {
	shown, err := parse(text)
	return rollup.DateOf(shown), err
}

// ParseSince parses the beginning of a range of instants: an RFC 3339 date-time, or a
// date, which means its first instant in UTC. The errors are as those of ParseDate.
func ParseSince(text string) (time.Time, error) {
	shown, err := parse(text)
	return shown.UTC(), err
}

// parse limits the years, so that the periods of a date and the adjacent periods have
// years with four digits.
func parse(text string) (time.Time, error) {
	const first, last = 1, 9998
	shown, err := time.Parse(time.DateOnly, text)
	if err != nil {
		shown, err = ParseDateTime(text)
	}
	if err != nil {
		if _, err := ParseDateTime(strings.Replace(text, " ", "+", 1)); err == nil {
			return time.Time{}, errors.New(Expected + "; in a URL, + must be written %2B")
		}
		return time.Time{}, errors.New(Expected)
	}
	if year := shown.Year(); year < first || year > last {
		return time.Time{}, errors.New("must be in the years 1 to 9998")
	}
	return shown, nil
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
