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
	shown, _, err := parse(text)
	return rollup.DateOf(shown), err
}

// ParseSince parses the beginning of a range of instants: an RFC 3339 date-time as in
// [ParseDateTime], or a date, which means its first instant in UTC. The errors are as
// those of ParseDate.
func ParseSince(text string) (time.Time, error) {
	shown, leap, err := parse(text)
	return shown.Add(leap).UTC(), err
}

// parse limits the years, so that the periods of a date and the adjacent periods have
// years with four digits. The results are as of parseDateTime.
func parse(text string) (shown time.Time, leap time.Duration, err error) {
	const first, last = 1, 9998
	shown, err = time.Parse(time.DateOnly, text)
	if err != nil {
		shown, leap, err = parseDateTime(text)
	}
	if err != nil {
		if _, err := ParseDateTime(strings.Replace(text, " ", "+", 1)); err == nil {
			return time.Time{}, 0, errors.New(Expected + "; in a URL, + must be written %2B")
		}
		return time.Time{}, 0, errors.New(Expected)
	}
	if year := shown.Year(); year < first || year > last {
		return time.Time{}, 0, errors.New("must be in the years 1 to 9998")
	}
	return shown, leap, nil
}

// ParseDateTime parses an RFC 3339 date-time, and returns it with its offset. The
// letters T and Z may be small. A leap second, at the end of a month in UTC, means the
// second that follows it, because neither Go nor PostgreSQL has leap seconds; whether
// there was one isn't checked.
func ParseDateTime(text string) (time.Time, error) {
	shown, leap, err := parseDateTime(text)
	return shown.Add(leap), err
}

var errNotDateTime = errors.New("not an RFC 3339 date-time")

// parseDateTime returns the time that the text shows. That of a leap second is the
// second before it, and leap is then a second.
func parseDateTime(text string) (shown time.Time, leap time.Duration, err error) {
	shown, err = time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return parseUnusual(text)
	}
	if !isDateTime(text) {
		return time.Time{}, 0, errNotDateTime
	}
	return shown, 0, nil
}

// parseUnusual parses what RFC 3339 allows and time.Parse refuses: small letters and
// leap seconds.
func parseUnusual(text string) (shown time.Time, leap time.Duration, err error) {
	const (
		dateEnd    = len("2026-12-31")
		seconds    = len("2026-12-31T23:59:")
		secondsEnd = seconds + len("60")
	)
	if len(text) <= secondsEnd {
		return time.Time{}, 0, errNotDateTime
	}
	usual := []byte(text)
	if usual[dateEnd] == 't' {
		usual[dateEnd] = 'T'
	}
	if last := len(usual) - 1; usual[last] == 'z' {
		usual[last] = 'Z'
	}
	if text[seconds:secondsEnd] == "60" {
		copy(usual[seconds:], "59")
		leap = time.Second
	}
	shown, err = time.Parse(time.RFC3339Nano, string(usual))
	if err != nil || !isDateTime(string(usual)) || leap > 0 && !endsMonth(shown) {
		return time.Time{}, 0, errNotDateTime
	}
	return shown, leap, nil
}

// endsMonth reports whether a month in UTC ends with the second of at.
func endsMonth(at time.Time) bool {
	next := at.UTC().Truncate(time.Second).Add(time.Second)
	return next.Equal(time.Date(next.Year(), next.Month(), 1, 0, 0, 0, 0, time.UTC))
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
