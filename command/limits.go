package command

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Limits restricts the logs that are accepted. See [DefaultLimits].
type Limits struct {
	// MaxWordCount is the largest word count of one log.
	MaxWordCount int
	// Earliest is the earliest timestamp that is accepted.
	Earliest time.Time
	// MaxAhead is how far a timestamp may be in the future. Some is allowed, because
	// the clocks and the time zones of clients are often wrong.
	MaxAhead time.Duration
}

// DefaultLimits returns the default limits: 1,000,000 words, the year 2000 and 24
// hours.
func DefaultLimits() Limits {
	return Limits{
		MaxWordCount: 1_000_000,
		Earliest:     time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
		MaxAhead:     24 * time.Hour,
	}
}

// FieldError says what is wrong with one field of a log, and what would be right.
type FieldError struct {
	// Field is the field's name in JSON.
	Field string
	// Expected completes a sentence that begins with the field's name, such as
	// "must be a whole number from 0 to 1000000".
	Expected string
	// Value is the value that the field has, in its JSON type; nil if showing it
	// wouldn't help.
	Value any
}

func (e FieldError) Error() string { return e.Field + " " + e.Expected }

// Check returns everything that is wrong with a log at the time now, or nil.
func (l Limits) Check(log Log, now time.Time) []FieldError {
	var wrong []FieldError
	refuse := func(field string, value any, expected string) {
		wrong = append(wrong, FieldError{Field: field, Expected: expected, Value: value})
	}
	if log.RequestID == uuid.Nil {
		refuse("request_id", log.RequestID.String(), "must not be the nil UUID: every log needs an id of its own")
	}
	if log.UserID == uuid.Nil {
		refuse("user_id", log.UserID.String(), "must not be the nil UUID")
	}
	if log.WordCount < 0 || log.WordCount > l.MaxWordCount {
		refuse("word_count", log.WordCount, l.WordCountRule())
	}
	checkTime := func(field string, at time.Time) {
		switch {
		case at.IsZero():
		case at.Before(l.Earliest):
			refuse(field, at.Format(time.RFC3339Nano), l.EarliestRule())
		case at.After(now.Add(l.MaxAhead)):
			refuse(field, at.Format(time.RFC3339Nano), l.aheadRule(now))
		}
	}
	checkTime("timestamp", log.Timestamp)
	checkTime("voided_at", log.VoidedAt)
	if log.Replaces != uuid.Nil && log.Replaces == log.RequestID {
		refuse("replaces", log.Replaces.String(), "must be the request_id of another log")
	}
	if log.Replaces != uuid.Nil && !log.VoidedAt.IsZero() {
		refuse("replaces", log.Replaces.String(), "must be left out of a log that was taken back")
	}
	return wrong
}

func (l Limits) aheadRule(now time.Time) string {
	return fmt.Sprintf("must not be more than %s ahead of the server's clock, which shows %s",
		l.MaxAhead, now.UTC().Format(time.RFC3339))
}

// WordCountRule says which word counts are accepted, as the rest of a sentence that
// begins with the name of the field.
func (l Limits) WordCountRule() string {
	return fmt.Sprintf("must be a whole number from 0 to %d", l.MaxWordCount)
}

// EarliestRule says which timestamps are too early, as WordCountRule does.
func (l Limits) EarliestRule() string {
	return "must not be before " + l.Earliest.Format(time.RFC3339)
}
