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
	), added AS (` + rollup.AddSQL("recorded", "$5") + `
	)
	SELECT request_id, user_id, word_count, "timestamp", recorded_at FROM recorded`
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
	firsts := firstOfEachID(entries)
	recorded, retries, err := w.insert(ctx, firsts)
	if len(entries) > 1 && isRefusal(err) {
		middle := len(entries) / 2
		return retries + 1 + w.record(ctx, entries[:middle]) + w.record(ctx, entries[middle:])
	}
	if err != nil {
		fail(entries, fmt.Errorf("recording learning logs: %w", err))
		return retries
	}
	var taken []*entry
	for _, e := range entries {
		switch log := recorded[e.log.RequestID]; {
		case log == nil:
			taken = append(taken, e)
		case firsts[e.log.RequestID] == e:
			e.outcome = Outcome{Status: Recorded, Log: log}
		default:
			e.outcome = judge(&e.log, log)
		}
	}
	w.judgeTaken(ctx, taken)
	return retries
}

func firstOfEachID(entries []*entry) map[uuid.UUID]*entry {
	firsts := make(map[uuid.UUID]*entry, len(entries))
	for _, e := range entries {
		if firsts[e.log.RequestID] == nil {
			firsts[e.log.RequestID] = e
		}
	}
	return firsts
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

// insert records entries, in one commit, and returns what was new and how often
// it tried again. An error means that nobody knows what was recorded: nothing,
// or all that could be.
func (w *writer) insert(ctx context.Context, entries map[uuid.UUID]*entry) (_ byRequestID, retries int, err error) {
	var (
		requestIDs = make([]uuid.UUID, 0, len(entries))
		userIDs    = make([]uuid.UUID, 0, len(entries))
		wordCounts = make([]int, 0, len(entries))
		timestamps = make([]time.Time, 0, len(entries))
		now        = time.Now()
	)
	for _, e := range entries {
		timestamp := e.log.Timestamp
		if timestamp.IsZero() {
			timestamp = now
		}
		requestIDs = append(requestIDs, e.log.RequestID)
		userIDs = append(userIDs, e.log.UserID)
		wordCounts = append(wordCounts, e.log.WordCount)
		timestamps = append(timestamps, timestamp.Truncate(time.Microsecond))
	}

	var recorded byRequestID
	tries := 0
	err = rollup.Retry(ctx, func() error {
		tries++
		rows, err := w.db.Query(ctx, w.sql, requestIDs, userIDs, wordCounts, timestamps, w.zone)
		if err != nil {
			return err
		}
		recorded, err = collect(rows)
		return err
	})
	return recorded, tries - 1, err
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
