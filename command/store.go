package command

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

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
// The order of the keys, here and in [rollup.AddSQL], makes concurrent batches
// wait for each other instead of deadlocking. Request ids come first: they are
// what batches wait for here, even where a client reuses one for another user.
func insertSQL() string {
	return `
	WITH recorded AS (
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[])
		    AS submitted (request_id, user_id, word_count, "timestamp")
		ORDER BY request_id, user_id
		ON CONFLICT DO NOTHING
		RETURNING request_id, user_id, word_count, "timestamp", recorded_at
	), added AS (` + rollup.AddSQL("recorded", "$5") + `
	)
	SELECT request_id, recorded_at FROM recorded`
}

// Insert executes the write statement.
func (s *sqlStore) Insert(ctx context.Context, logs []Log) (map[uuid.UUID]time.Time, error) {
	c := columnsOf(logs)
	rows, err := s.db.Query(ctx, s.insertSQL, c.requestIDs, c.userIDs, c.wordCounts, c.timestamps, s.zone)
	if err != nil {
		return nil, err
	}
	recordedAt := make(map[uuid.UUID]time.Time, len(logs))
	var (
		requestID pgtype.UUID
		at        time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&requestID, &at}, func() error {
		recordedAt[requestID.Bytes] = at.UTC()
		return nil
	})
	if err != nil {
		return nil, err // rows that came before the error are not recorded
	}
	return recordedAt, nil
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
// to wait for. It names the user too: so nobody is shown another's log.
func (s *sqlStore) Find(ctx context.Context, logs []*Log) (map[uuid.UUID]*RecordedLog, error) {
	const query = `
		SELECT request_id, user_id, word_count, "timestamp", recorded_at
		FROM learning_log
		JOIN unnest($1::uuid[], $2::uuid[]) AS taken (request_id, user_id) USING (request_id, user_id)`
	requestIDs := make([]uuid.UUID, len(logs))
	userIDs := make([]uuid.UUID, len(logs))
	for i, log := range logs {
		requestIDs[i], userIDs[i] = log.RequestID, log.UserID
	}
	rows, err := s.db.Query(ctx, query, requestIDs, userIDs)
	if err != nil {
		return nil, err
	}
	recorded, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[RecordedLog])
	if err != nil {
		return nil, err
	}
	found := make(map[uuid.UUID]*RecordedLog, len(recorded))
	for _, log := range recorded {
		log.Timestamp, log.RecordedAt = log.Timestamp.UTC(), log.RecordedAt.UTC()
		found[log.RequestID] = log
	}
	return found, nil
}
