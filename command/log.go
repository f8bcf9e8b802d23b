// Package command is the write side: it records learning logs, and adds them to the
// rollups in the same commit.
//
// Start with [NewRecorder]; [Recorder.Record] takes one log or ten thousand. Every
// log that it acknowledges is committed, durable and counted exactly once in every
// rollup.
package command

import (
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
}

// logKey identifies a log: by its user and its request id together. Logs of two
// users are never the same log.
type logKey struct{ userID, requestID uuid.UUID }

func (l *Log) key() logKey { return logKey{userID: l.UserID, requestID: l.RequestID} }
