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

// store is where logs are recorded and counted.
type store interface {
	// Insert records and counts those of logs that are new, in one commit, and
	// returns them. No two of logs have the same key. Where no two users may have the
	// same request id, the first log with one takes it. If Insert fails, nobody knows
	// whether all that were new are recorded, or nothing.
	Insert(ctx context.Context, logs []Log) (recordedLogs, error)
	// Find returns the recorded logs that have these keys.
	Find(ctx context.Context, keys []logKey) (recordedLogs, error)
}

// recordedLogs are logs that are recorded, by what they are known by.
type recordedLogs map[logKey]*learning.Log

// writer writes batches to the store, and finds out what became of their logs.
type writer struct {
	store    store
	timeout  time.Duration
	observer Observer
}

func newWriter(store store, config Config) *writer {
	return &writer{store: store, timeout: config.Timeout, observer: config.Observer}
}

// write gives every log of the batch its outcome.
func (w *writer) write(ctx context.Context, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	begun := time.Now()
	retries := w.record(ctx, b.logs)
	w.observer.Wrote(toBatch(b, time.Since(begun), retries))
}

// record gives every log its outcome, and returns how often it tried again.
// Where the database refuses a log its neighbours are recorded all the same: the
// logs are halved until it is alone.
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

// firstOfEachKey returns the first log with each key, and all others, both in
// their order.
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

// insert records those of submitted that are new, in one commit. It returns what
// it recorded, and how often it tried again.
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

// stamped returns the log with its timestamp as it is stored. One that the client
// left out is now.
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

// isRefusal says whether the database refused what a log says, or what it would
// make of a rollup, rather than the statement as such or at this time.
func isRefusal(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgerrcode.IsDataException(refused.Code) || pgerrcode.IsIntegrityConstraintViolation(refused.Code))
}

// judgeTaken gives logs that were not new their outcomes. One whose key isn't found
// has the request id of another user's log.
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
