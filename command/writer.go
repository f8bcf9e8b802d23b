package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/retry"
	"learninglog/rollup"
)

// database is what recording needs of a pgx pool or connection.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// writer writes batches to the database.
type writer struct {
	db       database
	zone     string
	timeout  time.Duration
	observer Observer
	sql      string
}

func newWriter(db database, config Config) *writer {
	return &writer{
		db:       db,
		zone:     config.Zone.String(),
		timeout:  config.Timeout,
		observer: config.Observer,
		sql:      recordSQL(),
	}
}

// recordSQL is the one write statement, for one log and for ten thousand: what
// it inserts into the log it adds to the rollups, in the same transaction,
// because it is the same statement. The primary key decides what is new. No
// conflict target is named, so that the statement also holds where the key
// begins with the user.
//
// The order of the keys, here and in [rollup.AddSQL], makes concurrent batches
// wait for each other instead of deadlocking. Request ids come first: they are
// what batches wait for here, even where a client reuses one for another user.
func recordSQL() string {
	return `
	WITH recorded AS (
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[])
		    AS submitted (request_id, user_id, word_count, "timestamp")
		ORDER BY request_id, user_id
		ON CONFLICT DO NOTHING
		RETURNING request_id, user_id, word_count, "timestamp", recorded_at
	), added AS (` + rollup.AddSQL(rollup.SumsSQL(rollup.LogsSQL("recorded"), "$5")) + `
	)
	SELECT request_id, recorded_at FROM recorded`
}

// write gives every entry of the batch its outcome.
func (w *writer) write(ctx context.Context, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	begun := time.Now()
	retries := w.record(ctx, b.entries)
	w.observer.Wrote(report(b, time.Since(begun), retries))
}

// record gives every entry its outcome, and returns how often it tried again.
// Where the database refuses a log its neighbours are recorded all the same: the
// entries are halved until it is alone.
func (w *writer) record(ctx context.Context, entries []*entry) (retries int) {
	firsts, repeated := firstOfEachID(entries)
	retries, err := w.insert(ctx, firsts)
	if len(entries) > 1 && isRefusal(err) {
		middle := len(entries) / 2
		return retries + 1 + w.record(ctx, entries[:middle]) + w.record(ctx, entries[middle:])
	}
	if err != nil {
		fail(entries, fmt.Errorf("recording learning logs: %w", err))
		return retries
	}
	var taken []*entry
	for _, first := range firsts {
		if first.outcome.Status == "" {
			taken = append(taken, first)
		}
	}
	for _, e := range repeated {
		if first := firsts[e.log.RequestID]; first.outcome.Status == Recorded {
			e.outcome = judge(&e.log, first.outcome.Log)
		} else {
			taken = append(taken, e)
		}
	}
	w.judgeTaken(ctx, taken)
	return retries
}

// firstOfEachID returns the first entry with each request id, and all others.
func firstOfEachID(entries []*entry) (firsts map[uuid.UUID]*entry, repeated []*entry) {
	firsts = make(map[uuid.UUID]*entry, len(entries))
	for _, e := range entries {
		if firsts[e.log.RequestID] == nil {
			firsts[e.log.RequestID] = e
		} else {
			repeated = append(repeated, e)
		}
	}
	return firsts, repeated
}

func fail(entries []*entry, err error) {
	for _, e := range entries {
		e.outcome = Outcome{Status: Failed, Err: err}
	}
}

// isRefusal says whether the database refused what a log says, or what it would
// make of a rollup, rather than the statement as such or at this time.
func isRefusal(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgerrcode.IsDataException(refused.Code) || pgerrcode.IsIntegrityConstraintViolation(refused.Code))
}

// insert records entries, in one commit, gives those that were new their
// outcome, and returns how often it tried again. An error means that nobody knows
// what was recorded: nothing, or all that could be.
func (w *writer) insert(ctx context.Context, entries map[uuid.UUID]*entry) (retries int, err error) {
	rows := newColumns(len(entries))
	now := time.Now()
	for _, e := range entries {
		rows.add(e.stamped(now))
	}
	var recordedAt map[uuid.UUID]time.Time
	tries := 0
	err = retry.Conflicts(ctx, func() error {
		tries++
		recorded, err := w.db.Query(ctx, w.sql, rows.requestIDs, rows.userIDs, rows.wordCounts, rows.timestamps, w.zone)
		if err != nil {
			return err
		}
		recordedAt, err = collectTimes(recorded)
		return err
	})
	if err != nil {
		return tries - 1, err // rows that came before the error are not recorded
	}
	for requestID, at := range recordedAt {
		e := entries[requestID]
		stamped := e.stamped(now)
		e.outcome = Outcome{Status: Recorded, Log: &RecordedLog{
			RequestID:  requestID,
			UserID:     stamped.UserID,
			WordCount:  stamped.WordCount,
			Timestamp:  stamped.Timestamp,
			RecordedAt: at,
		}}
	}
	return tries - 1, nil
}

// stamped returns the log with its timestamp as it is stored.
func (e *entry) stamped(now time.Time) Log {
	log := e.log
	if log.Timestamp.IsZero() {
		log.Timestamp = now
	}
	log.Timestamp = log.Timestamp.Truncate(time.Microsecond).UTC()
	return log
}

// columns are logs as the write statement takes them, in the types that pgx
// writes without reflection.
type columns struct {
	requestIDs, userIDs pgtype.FlatArray[pgtype.UUID]
	wordCounts          pgtype.FlatArray[pgtype.Int4]
	timestamps          pgtype.FlatArray[pgtype.Timestamptz]
}

func newColumns(n int) *columns {
	return &columns{
		requestIDs: make(pgtype.FlatArray[pgtype.UUID], 0, n),
		userIDs:    make(pgtype.FlatArray[pgtype.UUID], 0, n),
		wordCounts: make(pgtype.FlatArray[pgtype.Int4], 0, n),
		timestamps: make(pgtype.FlatArray[pgtype.Timestamptz], 0, n),
	}
}

func (c *columns) add(log Log) {
	c.requestIDs = append(c.requestIDs, pgtype.UUID{Bytes: log.RequestID, Valid: true})
	c.userIDs = append(c.userIDs, pgtype.UUID{Bytes: log.UserID, Valid: true})
	c.wordCounts = append(c.wordCounts, pgtype.Int4{Int32: int32(log.WordCount), Valid: true}) //nolint:gosec // Limits bounds it
	c.timestamps = append(c.timestamps, pgtype.Timestamptz{Time: log.Timestamp, Valid: true})
}

// collectTimes returns when each request id was recorded.
func collectTimes(rows pgx.Rows) (map[uuid.UUID]time.Time, error) {
	recordedAt := make(map[uuid.UUID]time.Time)
	var (
		requestID pgtype.UUID
		at        time.Time
	)
	_, err := pgx.ForEachRow(rows, []any{&requestID, &at}, func() error {
		recordedAt[requestID.Bytes] = at.UTC()
		return nil
	})
	return recordedAt, err
}

// judgeTaken gives an outcome to entries whose request ids were taken before. It
// looks them up in a statement of its own, after the insert, as that one doesn't
// see what it had to wait for. Each is looked up by its user too: so nobody is
// shown another's.
func (w *writer) judgeTaken(ctx context.Context, entries []*entry) {
	if len(entries) == 0 {
		return
	}
	known, err := w.find(ctx, entries)
	if err != nil {
		fail(entries, fmt.Errorf("looking up logs that were recorded before: %w", err))
		return
	}
	for _, e := range entries {
		e.outcome = judge(&e.log, known[e.log.RequestID])
	}
}

func (w *writer) find(ctx context.Context, entries []*entry) (byRequestID, error) {
	const query = `
		SELECT request_id, user_id, word_count, "timestamp", recorded_at
		FROM learning_log
		JOIN unnest($1::uuid[], $2::uuid[]) AS taken (request_id, user_id) USING (request_id, user_id)`
	requestIDs := make([]uuid.UUID, len(entries))
	userIDs := make([]uuid.UUID, len(entries))
	for i, e := range entries {
		requestIDs[i], userIDs[i] = e.log.RequestID, e.log.UserID
	}
	rows, err := w.db.Query(ctx, query, requestIDs, userIDs)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// byRequestID is recorded logs.
type byRequestID map[uuid.UUID]*RecordedLog

func collect(rows pgx.Rows) (byRequestID, error) {
	logs, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[RecordedLog])
	if err != nil {
		return nil, err
	}
	recorded := make(byRequestID, len(logs))
	for _, log := range logs {
		log.Timestamp, log.RecordedAt = log.Timestamp.UTC(), log.RecordedAt.UTC()
		recorded[log.RequestID] = log
	}
	return recorded, nil
}
