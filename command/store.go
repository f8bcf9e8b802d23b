package command

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/learning"
	"learninglog/rollup"
)

// database is the part of a pgx pool or connection that recording uses.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// sqlStore is a [store] in PostgreSQL.
type sqlStore struct {
	db        database
	zone      string
	insertSQL string
}

func newSQLStore(db database, zone *time.Location) *sqlStore {
	return &sqlStore{db: db, zone: zone.String(), insertSQL: insertSQL()}
}

// insertSQL returns the only write statement, for one log or ten thousand. It
// inserts into the log, and adds what it has inserted to the rollups. This is one
// transaction, because it is one statement. The primary key decides which logs are
// new. The statement names no conflict target, so it also works if the primary key
// begins with the user.
//
// Batches that are written at the same time may wait for each other, but never in a
// circle. They all lock request ids first, in ascending order, and then rollup rows,
// in the order of [rollup.AddSQL]. Among several logs with the same request id, the
// first one locks it for its batch, and the others needn't wait. So these are
// ordered by their place, and the log that was submitted first is recorded. (If the
// primary key were user and request id, batches would wait for such pairs, and the
// order would have to be by request id and user.)
func insertSQL() string {
	return `
	WITH recorded AS (
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT request_id, user_id, word_count, "timestamp"
		FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[]) WITH ORDINALITY
		    AS submitted (request_id, user_id, word_count, "timestamp", place)
		ORDER BY request_id, place
		ON CONFLICT DO NOTHING
		RETURNING ` + learning.Columns + `
	), added AS (` + rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("recorded"), "$5")) + `
	)
	SELECT ` + learning.Columns + ` FROM recorded`
}

// Insert implements [store] with the write statement.
func (s *sqlStore) Insert(ctx context.Context, logs []Log) (recordedLogs, error) {
	c := columnsOf(logs)
	rows, err := s.db.Query(ctx, s.insertSQL, c.requestIDs, c.userIDs, c.wordCounts, c.timestamps, s.zone)
	if err != nil {
		return nil, err
	}
	return collect(rows, len(logs))
}

// columns has logs as arrays, the parameters of the write statement, in types that
// pgx encodes without reflection.
type columns struct {
	requestIDs, userIDs pgtype.FlatArray[pgtype.UUID]
	wordCounts          pgtype.FlatArray[pgtype.Int4]
	timestamps          pgtype.FlatArray[pgtype.Timestamptz]
}

func columnsOf(logs []Log) columns {
	c := columns{
		requestIDs: make(pgtype.FlatArray[pgtype.UUID], len(logs)),
		userIDs:    make(pgtype.FlatArray[pgtype.UUID], len(logs)),
		wordCounts: make(pgtype.FlatArray[pgtype.Int4], len(logs)),
		timestamps: make(pgtype.FlatArray[pgtype.Timestamptz], len(logs)),
	}
	for i := range logs {
		log := &logs[i]
		c.requestIDs[i] = pgtype.UUID{Bytes: log.RequestID, Valid: true}
		c.userIDs[i] = pgtype.UUID{Bytes: log.UserID, Valid: true}
		c.wordCounts[i] = pgtype.Int4{Int32: int32(log.WordCount), Valid: true} //nolint:gosec // within Limits
		c.timestamps[i] = pgtype.Timestamptz{Time: log.Timestamp, Valid: true}
	}
	return c
}

// Find uses a statement of its own, because the snapshot of the write statement
// doesn't have rows for which it had to wait.
func (s *sqlStore) Find(ctx context.Context, keys []logKey) (recordedLogs, error) {
	const query = `
		SELECT ` + learning.Columns + `
		FROM learning_log
		JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (request_id, user_id) USING (request_id, user_id)`
	requestIDs := make(pgtype.FlatArray[pgtype.UUID], len(keys))
	userIDs := make(pgtype.FlatArray[pgtype.UUID], len(keys))
	for i, key := range keys {
		requestIDs[i] = pgtype.UUID{Bytes: key.requestID, Valid: true}
		userIDs[i] = pgtype.UUID{Bytes: key.userID, Valid: true}
	}
	rows, err := s.db.Query(ctx, query, requestIDs, userIDs)
	if err != nil {
		return nil, err
	}
	return collect(rows, len(keys))
}

// collect returns the logs in rows, whose number is about the given one. If there is
// an error, it returns no logs, because rows before an error aren't committed.
func collect(rows pgx.Rows, about int) (recordedLogs, error) {
	logs := make(recordedLogs, about)
	err := learning.ForEach(rows, func(log learning.Log) error {
		logs[logKey{userID: log.UserID, requestID: log.RequestID}] = &log
		return nil
	})
	if err != nil {
		return nil, err
	}
	return logs, nil
}
