// Package command is the write side: it records learning logs, and counts each in the
// same commit.
//
// Start with [NewRecorder]; [Recorder.Record] takes one log or ten thousand. What
// it acknowledges is committed, durable and counted in every rollup, once.
package command

import (
	"time"

	"github.com/google/uuid"
)

// Log is a learning log as a client submits it.
type Log struct {
	// RequestID is the client's own name for this log. A second log of the same user
	// with it is the same log sent again, or a mistake.
	RequestID uuid.UUID
	UserID    uuid.UUID
	// WordCount is how many words were learned, from 0 to Limits.MaxWordCount.
	WordCount int
	// Timestamp is when they were learned, within Limits. It is kept to the
	// microsecond, as PostgreSQL does, and the rest is cut off. The zero value
	// says that the client left it out: it is then the time of recording, and
	// takes no part in telling a log sent again from a reused request id.
	Timestamp time.Time
}

// logKey is what a log is known by: its user and its request id together. Logs of
// two users are never the same log.
type logKey struct{ userID, requestID uuid.UUID }

func (l *Log) key() logKey { return logKey{userID: l.UserID, requestID: l.RequestID} }
