package command

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

// Status is what became of a log.
type Status string

// What can become of a log.
const (
	// Recorded: it is stored and counted.
	Recorded Status = "recorded"
	// AlreadyRecorded: it had been recorded before, with the same fields. The
	// client may treat it as done.
	AlreadyRecorded Status = "already_recorded"
	// RequestIDReused: another log has its request id. That is a bug in the
	// client, and the log is not recorded.
	RequestIDReused Status = "request_id_reused"
	// Invalid: a field is outside the limits. The log is not recorded.
	Invalid Status = "invalid"
)

// Outcome is what became of one log.
type Outcome struct {
	Status Status
	// Log is the recorded log: the new one, or the one that was there. It is
	// nil for Invalid, and for a request id that belongs to another user's log,
	// which is none of the client's business.
	Log *RecordedLog
	// Errors says what is wrong with an Invalid log.
	Errors []FieldError
}

// database is what recording needs of a pgx pool or connection.
type database interface {
	Query(ctx context.Context, sql string, arguments ...any) (pgx.Rows, error)
}

// Recorder records learning logs. It is safe for concurrent use.
type Recorder struct {
	db        database
	limits    Limits
	zone      *time.Location
	recordSQL string
}

// NewRecorder returns a recorder that counts logs in the periods of zone.
func NewRecorder(db database, limits Limits, zone *time.Location) *Recorder {
	return &Recorder{db: db, limits: limits, zone: zone, recordSQL: recordSQL()}
}

// Record records logs and returns an outcome for each, in their order. One bad
// log never fails its neighbours. Of several logs with the same request id the
// first valid one is recorded and the others are judged against it.
//
// An error means that the database failed and that nobody knows which logs were
// recorded: none, or all that could be. Record the same logs again to find out;
// that counts none of them twice.
func (r *Recorder) Record(ctx context.Context, logs []Log) ([]Outcome, error) {
	now := time.Now()
	outcomes := make([]Outcome, len(logs))
	firsts := make(map[uuid.UUID]int, len(logs)) // by request id, the place in logs
	for i, log := range logs {
		if wrong := r.limits.Check(log, now); wrong != nil {
			outcomes[i] = Outcome{Status: Invalid, Errors: wrong}
		} else if _, repeated := firsts[log.RequestID]; !repeated {
			firsts[log.RequestID] = i
		}
	}

	recorded, err := r.insert(ctx, logs, firsts, now)
	if err != nil {
		return nil, fmt.Errorf("recording learning logs: %w", err)
	}
	for requestID, log := range recorded {
		outcomes[firsts[requestID]] = Outcome{Status: Recorded, Log: log}
	}

	// Each of the others is looked up by its own user, not by that of the first
	// with its request id.
	var refused []Log
	for i, log := range logs {
		if outcomes[i].Status == "" && recorded[log.RequestID] == nil {
			refused = append(refused, log)
		}
	}
	known, err := r.find(ctx, refused)
	if err != nil {
		return nil, fmt.Errorf("looking up logs that were recorded before: %w", err)
	}
	maps.Copy(known, recorded)
	for i, log := range logs {
		if outcomes[i].Status == "" {
			outcomes[i] = judge(log, known[log.RequestID])
		}
	}
	return outcomes, nil
}

// judge compares a log with the one that has its request id, which is nil where
// that is another user's.
func judge(log Log, known *RecordedLog) Outcome {
	if known == nil || known.UserID != log.UserID {
		return Outcome{Status: RequestIDReused}
	}
	same := known.WordCount == log.WordCount &&
		(log.Timestamp.IsZero() || known.Timestamp.Equal(log.Timestamp.Truncate(time.Microsecond)))
	if !same {
		return Outcome{Status: RequestIDReused, Log: known}
	}
	return Outcome{Status: AlreadyRecorded, Log: known}
}

// recordSQL is the one write statement, for one log and for ten thousand: what
// it inserts into the log it adds to the rollups, in the same transaction,
// because it is the same statement. The primary key decides what is new. No
// conflict target is named, so that the statement also holds where the key
// begins with the user.
//
// The order of the keys, here and in [rollup.AddSQL], makes concurrent batches
// wait for each other instead of deadlocking.
func recordSQL() string {
	return `
	WITH recorded AS (
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::timestamptz[])
		    AS submitted (request_id, user_id, word_count, "timestamp")
		ORDER BY user_id, request_id
		ON CONFLICT DO NOTHING
		RETURNING request_id, user_id, word_count, "timestamp", recorded_at
	), added AS (` + rollup.AddSQL("recorded", "$5") + `
	)
	SELECT request_id, user_id, word_count, "timestamp", recorded_at FROM recorded`
}

// insert records those of logs whose places firsts has, and returns what was
// new, by request id.
func (r *Recorder) insert(
	ctx context.Context, logs []Log, firsts map[uuid.UUID]int, now time.Time,
) (map[uuid.UUID]*RecordedLog, error) {
	if len(firsts) == 0 {
		return nil, nil
	}
	var (
		requestIDs = make([]uuid.UUID, 0, len(firsts))
		userIDs    = make([]uuid.UUID, 0, len(firsts))
		wordCounts = make([]int, 0, len(firsts))
		timestamps = make([]time.Time, 0, len(firsts))
	)
	for _, i := range firsts {
		timestamp := logs[i].Timestamp
		if timestamp.IsZero() {
			timestamp = now
		}
		requestIDs = append(requestIDs, logs[i].RequestID)
		userIDs = append(userIDs, logs[i].UserID)
		wordCounts = append(wordCounts, logs[i].WordCount)
		timestamps = append(timestamps, timestamp.Truncate(time.Microsecond))
	}

	var recorded map[uuid.UUID]*RecordedLog
	err := rollup.Retry(ctx, func() error {
		rows, err := r.db.Query(ctx, r.recordSQL, requestIDs, userIDs, wordCounts, timestamps, r.zone.String())
		if err != nil {
			return err
		}
		recorded, err = collect(rows)
		return err
	})
	return recorded, err
}

// find looks up the logs whose request ids are taken. It is a statement of its
// own, after the insert, as that one doesn't see what it had to wait for.
// Each log is looked up by its user too: so nobody is shown another's.
func (r *Recorder) find(ctx context.Context, logs []Log) (map[uuid.UUID]*RecordedLog, error) {
	if len(logs) == 0 {
		return make(map[uuid.UUID]*RecordedLog), nil
	}
	const query = `
		SELECT request_id, user_id, word_count, "timestamp", recorded_at
		FROM learning_log
		JOIN unnest($1::uuid[], $2::uuid[]) AS taken (request_id, user_id) USING (request_id, user_id)`
	requestIDs := make([]uuid.UUID, len(logs))
	userIDs := make([]uuid.UUID, len(logs))
	for i, log := range logs {
		requestIDs[i], userIDs[i] = log.RequestID, log.UserID
	}
	rows, err := r.db.Query(ctx, query, requestIDs, userIDs)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func collect(rows pgx.Rows) (map[uuid.UUID]*RecordedLog, error) {
	logs, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[RecordedLog])
	if err != nil {
		return nil, err
	}
	byRequestID := make(map[uuid.UUID]*RecordedLog, len(logs))
	for _, log := range logs {
		log.Timestamp, log.RecordedAt = log.Timestamp.UTC(), log.RecordedAt.UTC()
		byRequestID[log.RequestID] = log
	}
	return byRequestID, nil
}
