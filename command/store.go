package command

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/learning"
	"learninglog/rollup"
)

// database is what recording needs of a pgx pool or connection.
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

// insertSQL is the one write statement, for one log and for ten thousand: what
// it inserts into the log it adds to the rollups, in the same transaction,
// because it is the same statement. The primary key decides what is new. No
// conflict target is named, so that the statement also holds where the key
// begins with the user.
//
// Batches that are written at the same time may wait for each other, but not in a
// circle: all of them take request ids first, in ascending order, and then rollup
// rows, in the order of [rollup.AddSQL]. Of several logs with one request id the
// first takes it for its batch, so the others have nothing to wait for: they may
// come in the order of their places, so that the log that was submitted first is
// recorded. (Where the primary key is user and request id, batches wait for pairs
// of them: then the order must be that of request id and user.)
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

// Insert executes the write statement.
func (s *sqlStore) Insert(ctx context.Context, logs []Log) (recordedLogs, error) {
	c := columnsOf(logs)
	rows, err := s.db.Query(ctx, s.insertSQL, c.requestIDs, c.userIDs, c.wordCounts, c.timestamps, s.zone)
	if err != nil {
		return nil, err
	}
	return collect(rows, len(logs))
}

// columns are logs as the write statement takes them, in the types that pgx
// writes without reflection.
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
		c.wordCounts[i] = pgtype.Int4{Int32: int32(log.WordCount), Valid: true} //nolint:gosec // Limits bounds it
		c.timestamps[i] = pgtype.Timestamptz{Time: log.Timestamp, Valid: true}
	}
	return c
}

// Find is a statement of its own, as the write statement doesn't see what it had
// to wait for.
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

// collect returns the logs of rows, about so many. Rows that came before an error are
// not recorded, so they are not returned.
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
