// Package learning defines learning logs as they are recorded, and the settings of learners.
package learning

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/rollup"
)

// Log is a recorded learning log. Times are in UTC, to the microsecond.
type Log struct {
	// RequestID is the client's name for the log.
	RequestID uuid.UUID
	UserID    uuid.UUID
	// WordCount is how many words were learned.
	WordCount int
	// Timestamp is when the words were learned. RecordedAt is when the log was
	// recorded, by the database's clock.
	Timestamp  time.Time
	RecordedAt time.Time
	// UTCOffset is how far the learner's clock was ahead of UTC. The log is counted on
	// the date that this clock showed.
	UTCOffset rollup.Offset
	// VoidedAt is when the log was taken back. The zero value means that it counts.
	VoidedAt time.Time
}

// Date returns the date on which the log is counted.
func (l Log) Date() rollup.Date { return l.UTCOffset.DateAt(l.Timestamp) }

// Columns are the columns of the table learning_log, in the order in which [ForEach]
// and [Collect] read them into a [Log].
const Columns = `request_id, user_id, word_count, "timestamp", recorded_at, utc_offset, voided_at`

// ForEach calls do with each log in rows, which must have the [Columns], until do
// fails. It closes rows. It uses no reflection.
func ForEach(rows pgx.Rows, do func(Log) error) error {
	return forEach(rows, nil, do)
}

// ForEachWithOffsetGiven is ForEach for rows that also have the column offset_given, which
// says that the log's client said its zone or its offset.
func ForEachWithOffsetGiven(rows pgx.Rows, do func(log Log, offsetGiven bool) error) error {
	var given bool
	return forEach(rows, []any{&given}, func(log Log) error { return do(log, given) })
}

// forEach reads further columns of each row before it calls do.
func forEach(rows pgx.Rows, further []any, do func(Log) error) error {
	var (
		requestID, userID     pgtype.UUID
		words                 int32
		timestamp, recordedAt time.Time
		offset                int16
		voidedAt              pgtype.Timestamptz
	)
	columns := append([]any{&requestID, &userID, &words, &timestamp, &recordedAt, &offset, &voidedAt}, further...)
	_, err := pgx.ForEachRow(rows, columns, func() error {
		log := Log{
			RequestID:  requestID.Bytes,
			UserID:     userID.Bytes,
			WordCount:  int(words),
			Timestamp:  timestamp.UTC(),
			RecordedAt: recordedAt.UTC(),
			UTCOffset:  rollup.Offset(offset),
		}
		if voidedAt.Valid {
			log.VoidedAt = voidedAt.Time.UTC()
		}
		return do(log)
	})
	return err
}

// Collect returns all logs in rows, which must have the [Columns], and closes rows.
func Collect(rows pgx.Rows) ([]Log, error) {
	logs := []Log{}
	err := ForEach(rows, func(log Log) error {
		logs = append(logs, log)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return logs, nil
}
