// Package command is the write side: it records and voids learning logs, and adds them
// to the rollups, or subtracts them, in the same commit. It also changes the settings of
// learners.
//
// Start with [NewRecorder]; [Recorder.Record] takes one log or ten thousand, and
// [Recorder.Void] takes logs back. Every log that is acknowledged as recorded is
// committed, durable and counted exactly once in every rollup, until it is acknowledged
// as voided.
package command

import (
	"bytes"
	"cmp"
	"time"

	"github.com/google/uuid"
)

// Log is a learning log as submitted by a client.
type Log struct {
	// RequestID is the client's own id for this log, and makes posting it
	// idempotent. A second log of the same user with this id is either the same log
	// sent again, or a mistake.
	RequestID uuid.UUID
	UserID    uuid.UUID
	// WordCount is how many words were learned, from 0 to Limits.MaxWordCount.
	WordCount int
	// Timestamp is when the words were learned, within Limits. It is truncated to
	// microseconds, the precision of PostgreSQL. The zero value means that the
	// client left it out. Then the time of recording is stored, and the timestamp is
	// not compared when a log is sent again.
	Timestamp time.Time
	// Zone is the zone of the learner's clock: any location, also one with a fixed
	// offset. Nil means that the client didn't say it; then it is Config.Zone. Only its
	// offset at the timestamp is stored. It isn't compared when a log is sent again.
	Zone *time.Location
	// ZoneAssumed says that Zone is not what the client said, where the log comes from. Then
	// the log can be given the offset of another one.
	ZoneAssumed bool
	// Replaces is the request id of another log of this user, which is voided in the
	// same commit, or not at all if this log isn't recorded. [uuid.Nil] is none.
	Replaces uuid.UUID
	// VoidedAt is when the log was taken back, where it comes from. Then it is recorded
	// as voided: it doesn't count, and its request id is taken. The zero value means that
	// it counts.
	VoidedAt time.Time
}

// logKey identifies a log: by its user and its request id together. Logs of two
// users are never the same log.
type logKey struct{ userID, requestID uuid.UUID }

// compare orders keys as PostgreSQL does.
func (k logKey) compare(other logKey) int {
	return cmp.Or(bytes.Compare(k.userID[:], other.userID[:]), bytes.Compare(k.requestID[:], other.requestID[:]))
}

func (l *Log) key() logKey { return logKey{userID: l.UserID, requestID: l.RequestID} }

// zoneGiven reports whether the client said the zone.
func (l *Log) zoneGiven() bool { return l.Zone != nil && !l.ZoneAssumed }

// change is what is submitted for one log: to record it, to record it in place of
// another, or to void it.
type change struct {
	Log

	// void says that the log is to be voided, and not to be recorded. Then only its key
	// is set.
	void bool
}

// voids returns the key of the log that the change voids, or false if it voids none.
func (c *change) voids() (target logKey, ok bool) {
	if c.void {
		return c.key(), true
	}
	return logKey{userID: c.UserID, requestID: c.Replaces}, c.Replaces != uuid.Nil
}
