package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"learninglog/internal/retry"
	"learninglog/learning"
)

// store stores and counts logs.
type store interface {
	// Insert records and counts the new ones among logs, in one commit, and returns
	// them. All keys in logs must be different. If the store allows a request id
	// only once for all users, the first log with that id is recorded. If Insert
	// fails, either all new logs are recorded or none, and it is unknown which.
	Insert(ctx context.Context, logs []Log) (recordedLogs, error)
	// Find returns the recorded logs that have these keys.
	Find(ctx context.Context, keys []logKey) (recordedLogs, error)
}

// recordedLogs are recorded logs by their keys.
type recordedLogs map[logKey]*learning.Log

// writer writes batches to the store, and determines the outcomes of their logs.
type writer struct {
	store    store
	timeout  time.Duration
	observer Observer
}

func newWriter(store store, config Config) *writer {
	return &writer{store: store, timeout: config.Timeout, observer: config.Observer}
}

// write gives an outcome to every log of the batch.
func (w *writer) write(ctx context.Context, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	begun := time.Now()
	retries := w.record(ctx, b.logs)
	w.observer.Wrote(toBatch(b, time.Since(begun), retries))
}

// record gives every log an outcome, and returns the number of retries. If the
// database refuses a log, the logs are halved until that log is alone, so that all
// others are recorded.
func (w *writer) record(ctx context.Context, logs []*submittedLog) (retries int) {
	firsts, repeated := firstOfEachKey(logs)
	recorded, retries, err := w.insert(ctx, firsts)
	if len(logs) > 1 && isRefusal(err) {
		middle := len(logs) / 2
		return retries + 1 + w.record(ctx, logs[:middle]) + w.record(ctx, logs[middle:])
	}
	if err != nil {
		fail(logs, fmt.Errorf("recording learning logs: %w", err))
		return retries
	}
	var taken []*submittedLog
	for _, log := range firsts {
		if stored := recorded[log.key()]; stored != nil {
			log.outcome = Outcome{Status: Recorded, Log: stored}
		} else {
			taken = append(taken, log)
		}
	}
	for _, log := range repeated {
		if first := recorded[log.key()]; first != nil {
			log.outcome = judge(&log.Log, first)
		} else {
			taken = append(taken, log)
		}
	}
	w.judgeTaken(ctx, taken)
	return retries
}

// firstOfEachKey returns the first log with each key, and all other logs, both in
// the given order.
func firstOfEachKey(logs []*submittedLog) (firsts, repeated []*submittedLog) {
	if len(logs) == 1 {
		return logs, nil
	}
	seen := make(map[logKey]struct{}, len(logs))
	firsts = make([]*submittedLog, 0, len(logs))
	for _, log := range logs {
		key := log.key()
		if _, again := seen[key]; again {
			repeated = append(repeated, log)
			continue
		}
		seen[key] = struct{}{}
		firsts = append(firsts, log)
	}
	return firsts, repeated
}

// insert records the new ones among the submitted logs, in one commit. It returns
// what it recorded, and the number of retries.
func (w *writer) insert(ctx context.Context, submitted []*submittedLog) (recorded recordedLogs, retries int, err error) {
	now := time.Now()
	logs := make([]Log, len(submitted))
	for i, log := range submitted {
		logs[i] = log.stamped(now)
	}
	tries := 0
	err = retry.Conflicts(ctx, func() (err error) {
		tries++
		recorded, err = w.store.Insert(ctx, logs)
		return err
	})
	return recorded, tries - 1, err
}

// stamped returns the log with the timestamp that is stored: now if the client left
// it out, and truncated to microseconds.
func (l *Log) stamped(now time.Time) Log {
	log := *l
	if log.Timestamp.IsZero() {
		log.Timestamp = now
	}
	log.Timestamp = log.Timestamp.Truncate(time.Microsecond).UTC()
	return log
}

func fail(logs []*submittedLog, err error) {
	for _, log := range logs {
		log.outcome = Outcome{Status: Failed, Err: err}
	}
}

// isRefusal reports whether the database refused the content of a log or its effect
// on a rollup. Other errors concern the statement itself or the state of the
// database.
func isRefusal(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgerrcode.IsDataException(refused.Code) || pgerrcode.IsIntegrityConstraintViolation(refused.Code))
}

// judgeTaken gives outcomes to logs that were not new. If the key of a log isn't
// found, its request id belongs to a log of another user.
func (w *writer) judgeTaken(ctx context.Context, logs []*submittedLog) {
	if len(logs) == 0 {
		return
	}
	keys := make([]logKey, len(logs))
	for i, log := range logs {
		keys[i] = log.key()
	}
	known, err := w.store.Find(ctx, keys)
	if err != nil {
		fail(logs, fmt.Errorf("looking up logs that were recorded before: %w", err))
		return
	}
	for i, log := range logs {
		log.outcome = judge(&log.Log, known[keys[i]])
	}
}
