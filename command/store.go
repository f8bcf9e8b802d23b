package command

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/learning"
	"learninglog/rollup"
)

// querier is the part of a pgx pool or connection that single statements use.
type querier interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// database is the part of a pgx pool or connection that recording uses.
type database interface {
	querier

	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

// newStore returns the store of a database, whose tables are distributed if there are
// nodes.
func newStore(db database, config Config) store {
	if config.Nodes != nil {
		return &shardStore{nodes: config.Nodes, zone: config.Zone}
	}
	return newSQLStore(db, config.Zone)
}

// sqlStore is a [store] in PostgreSQL.
type sqlStore struct {
	db                   database
	zone                 *time.Location // of logs without a zone
	insertSQL, changeSQL string
}

func newSQLStore(db database, zone *time.Location) *sqlStore {
	return &sqlStore{db: db, zone: zone, insertSQL: insertSQL(), changeSQL: changeSQL()}
}

// insertSQL returns the statement that records logs, one or ten thousand. It inserts
// into the log, and adds what it has inserted to the rollups. This is one transaction,
// because it is one statement. The primary key decides which logs are new. The statement
// names no conflict target, so it also works if the primary key begins with the user.
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
	WITH patience AS MATERIALIZED (` + patienceSQL("$7") + `), recorded AS (
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp", utc_offset, offset_given)
		SELECT request_id, user_id, word_count, coalesce("timestamp", now()), utc_offset, offset_given
		FROM patience, unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[], $5::smallint[], $6::boolean[])
		    WITH ORDINALITY
		    AS submitted (request_id, user_id, word_count, "timestamp", utc_offset, offset_given, place)
		ORDER BY request_id, place
		ON CONFLICT DO NOTHING
		RETURNING ` + learning.Columns + `
	), added AS (` + rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("recorded"))) + `
	)
	SELECT ` + learning.Columns + ` FROM recorded`
}

// patienceSQL limits how long the rest of the statement waits for a lock, to a number of
// milliseconds. Selecting from it before the first lock is taken makes it take effect. It
// ends with the transaction.
func patienceSQL(parameter string) string {
	return `SELECT set_config('lock_timeout', ` + parameter + `, true)`
}

// changeSQL returns the statement that also voids logs. It locks those that it may void,
// records the new logs, voids what they replace and what is to be voided anyway, and adds
// the difference to the rollups.
//
// Every statement takes its locks in the same order: first the logs that it may void, by
// request id; then the request ids of the logs that it inserts; then rollup rows. So
// statements of both kinds may wait for each other, but never in a circle. The insert
// counts the locked logs only to make PostgreSQL lock them before it. Whether a log counts
// is asked after it was locked.
//
// PostgreSQL plans the statement for few logs, perhaps while the table is small, and may
// get thousands. So logs are found by arrays of request ids, which takes the primary key,
// and relations are compared by IN, which hashes them, where a join could compare every
// row with every other.
func changeSQL() string {
	const (
		others  = `utc_offset, offset_given, voided_at`
		columns = `request_id, user_id, word_count, "timestamp", ` + others
	)
	return `
	WITH patience AS MATERIALIZED (` + patienceSQL("$7") + `), submitted AS MATERIALIZED (
		SELECT submitted.*
		FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[], $5::smallint[], $6::boolean[],
		            $8::timestamptz[], $9::boolean[], $10::uuid[]) WITH ORDINALITY
		    AS submitted (` + columns + `, void, replaces, place)
	), locked AS MATERIALIZED (
		SELECT l.* FROM patience, learning_log AS l WHERE request_id = ANY($11::uuid[]) ORDER BY request_id FOR UPDATE OF l
	), target AS MATERIALIZED (
		SELECT l.*, CASE WHEN NOT s.void THEN s.request_id END AS replacement
		FROM submitted AS s
		JOIN locked AS l
		    ON l.request_id = CASE WHEN s.void THEN s.request_id ELSE s.replaces END AND l.user_id = s.user_id
		WHERE l.` + rollup.CountsSQL + `
	), recorded AS (
		INSERT INTO learning_log (` + columns + `, changed_at)
		SELECT request_id, user_id, word_count, coalesce("timestamp", now()), ` + others + `, voided_at
		FROM submitted AS s, (SELECT count(*) FROM locked) AS counted
		WHERE NOT void AND (replaces IS NULL OR EXISTS (
		    SELECT FROM target AS t WHERE (t.user_id, t.replacement) = (s.user_id, s.request_id)
		))
		ORDER BY request_id, place
		ON CONFLICT DO NOTHING
		RETURNING ` + learning.Columns + `
	), voided AS (
		UPDATE learning_log
		SET voided_at = now(), changed_at = now()
		WHERE request_id = ANY(ARRAY(
		    SELECT request_id FROM target
		    WHERE replacement IS NULL OR (user_id, replacement) IN (SELECT user_id, request_id FROM recorded)
		))
		RETURNING *
	), added AS (` + rollup.AddSQL(rollup.SumsSQL(
		`(SELECT * FROM `+rollup.LogsSQL("recorded")+` AS r UNION ALL SELECT * FROM `+rollup.OppositeSQL("voided")+` AS v)`)) + `
	)
	SELECT ` + learning.Columns + ` FROM recorded
	UNION ALL
	SELECT ` + learning.Columns + ` FROM voided
	UNION ALL
	SELECT ` + learning.Columns + ` FROM target
	WHERE replacement IS NOT NULL AND request_id NOT IN (SELECT request_id FROM voided)`
}

// Write implements [store]. Changes that void nothing, as most do, have the simpler
// statement.
func (s *sqlStore) Write(ctx context.Context, changes []change, patience time.Duration) (recordedLogs, error) {
	c := columnsOf(changes, s.zone)
	sql, arguments := s.insertSQL, []any{
		c.requestIDs, c.userIDs, c.wordCounts, c.timestamps, c.offsets, c.offsetsGiven,
		strconv.FormatInt(patience.Milliseconds(), 10),
	}
	if voidAny(changes) {
		v := voidsOf(changes)
		sql, arguments = s.changeSQL, append(arguments, v.at, v.void, v.replaces, v.targets)
	}
	rows, err := s.db.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return collect(rows, len(changes))
}

func voidAny(changes []change) bool {
	return slices.ContainsFunc(changes, func(c change) bool {
		return c.void || c.Replaces != uuid.Nil || !c.VoidedAt.IsZero()
	})
}

// voidColumns has what changes void as arrays, further parameters of the statement.
type voidColumns struct {
	at       pgtype.FlatArray[pgtype.Timestamptz] // when logs that are recorded were voided
	void     pgtype.FlatArray[pgtype.Bool]        // whether the log itself is voided
	replaces pgtype.FlatArray[pgtype.UUID]        // the log that is voided instead
	targets  pgtype.FlatArray[pgtype.UUID]        // all request ids that may be voided
}

func voidsOf(changes []change) voidColumns {
	v := voidColumns{
		at:       make(pgtype.FlatArray[pgtype.Timestamptz], len(changes)),
		void:     make(pgtype.FlatArray[pgtype.Bool], len(changes)),
		replaces: make(pgtype.FlatArray[pgtype.UUID], len(changes)),
		targets:  pgtype.FlatArray[pgtype.UUID]{},
	}
	for i := range changes {
		c := &changes[i]
		v.at[i] = pgtype.Timestamptz{Time: c.VoidedAt, Valid: !c.VoidedAt.IsZero()}
		v.void[i] = pgtype.Bool{Bool: c.void, Valid: true}
		v.replaces[i] = pgtype.UUID{Bytes: c.Replaces, Valid: c.Replaces != uuid.Nil}
		if target, ok := c.voids(); ok {
			v.targets = append(v.targets, pgtype.UUID{Bytes: target.requestID, Valid: true})
		}
	}
	return v
}

// columns has logs as arrays, the parameters of the statements, in types that pgx encodes
// without reflection.
type columns struct {
	requestIDs, userIDs pgtype.FlatArray[pgtype.UUID]
	wordCounts          pgtype.FlatArray[pgtype.Int4]
	timestamps          pgtype.FlatArray[pgtype.Timestamptz]
	offsets             pgtype.FlatArray[pgtype.Int2]
	offsetsGiven        pgtype.FlatArray[pgtype.Bool]
}

// columnsOf returns the columns of logs. Logs without a zone get the given one.
func columnsOf(logs []change, zone *time.Location) columns {
	c := columns{
		requestIDs:   make(pgtype.FlatArray[pgtype.UUID], len(logs)),
		userIDs:      make(pgtype.FlatArray[pgtype.UUID], len(logs)),
		wordCounts:   make(pgtype.FlatArray[pgtype.Int4], len(logs)),
		timestamps:   make(pgtype.FlatArray[pgtype.Timestamptz], len(logs)),
		offsets:      make(pgtype.FlatArray[pgtype.Int2], len(logs)),
		offsetsGiven: make(pgtype.FlatArray[pgtype.Bool], len(logs)),
	}
	for i := range logs {
		log := &logs[i]
		c.requestIDs[i] = pgtype.UUID{Bytes: log.RequestID, Valid: true}
		c.userIDs[i] = pgtype.UUID{Bytes: log.UserID, Valid: true}
		c.wordCounts[i] = pgtype.Int4{Int32: int32(log.WordCount), Valid: true} //nolint:gosec // within Limits
		at := log.Timestamp
		if at.IsZero() { // then it is the time of recording, by the database's clock
			at = time.Now()
		}
		c.timestamps[i] = pgtype.Timestamptz{Time: at, Valid: !log.Timestamp.IsZero()}
		c.offsets[i] = pgtype.Int2{Int16: int16(rollup.OffsetAt(at, cmp.Or(log.Zone, zone))), Valid: true}
		c.offsetsGiven[i] = pgtype.Bool{Bool: log.zoneGiven(), Valid: true}
	}
	return c
}

// replicatedSQL makes a statement that has read rows wait until they are where their
// commits had to get to. With a synchronous standby, a commit whose wait was broken off (by
// a request that took too long, or a restart of the server) is seen by others although the
// standby hasn't got it, and a failover would lose it. A commit that writes waits for all
// before it, so this writes a message of no bytes. It costs a commit, so it is done only
// where standbys are waited for.
const replicatedSQL = `
	SELECT CASE WHEN current_setting('synchronous_standby_names') <> ''
	       THEN pg_logical_emit_message(true, 'learninglog', ''::text) END`

// Find uses a statement of its own, because the snapshot of the write statement
// doesn't have rows for which it had to wait. PostgreSQL plans it each time, for the arrays
// that it gets. For a few logs that takes half as long as a join of unnested arrays would,
// and for a thousand the whole takes twice as long. A kept plan would be faster, but may be
// one for an empty table. So a log is also found that has the user of one key and the
// request id of another.
func (s *sqlStore) Find(ctx context.Context, keys []logKey) (recordedLogs, error) {
	const query = `
		WITH replicated AS MATERIALIZED (` + replicatedSQL + `)
		SELECT ` + learning.Columns + `
		FROM replicated, learning_log
		WHERE request_id = ANY($1::uuid[]) AND user_id = ANY($2::uuid[])`
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
