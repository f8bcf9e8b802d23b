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
	// Write records the new ones among the logs that are to be recorded, and voids those
	// that are to be voided or replaced, in one commit. All keys of logs to be recorded
	// must be different, and a log that is to be voided must appear only once. If the
	// store allows a request id only once for all users, the first log with that id is
	// recorded.
	//
	// It returns the logs that it recorded, those that it voided, and those that it
	// could have voided if another had been recorded in their place. Only the second
	// ones have a VoidedAt. If Write fails, either all is done or nothing, and it is
	// unknown which.
	Write(ctx context.Context, changes []change) (recordedLogs, error)
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
// others are written.
func (w *writer) record(ctx context.Context, logs []*submittedLog) (retries int) {
	firsts, repeated := firstOfEachKey(logs)
	changed, retries, err := w.change(ctx, firsts)
	if len(logs) > 1 && isRefusal(err) {
		middle := len(logs) / 2
		return retries + 1 + w.record(ctx, logs[:middle]) + w.record(ctx, logs[middle:])
	}
	if err != nil {
		fail(logs, fmt.Errorf("recording learning logs: %w", err))
		return retries
	}
	var others []*submittedLog // which the statement left as they were
	for _, log := range firsts {
		switch stored := changed[log.key()]; {
		case stored == nil:
			others = append(others, log)
		case log.void:
			log.outcome = Outcome{Status: Voided, Log: stored}
		default:
			log.outcome = Outcome{Status: Recorded, Log: stored}
		}
	}
	for _, log := range repeated {
		switch first := changed[log.key()]; {
		case first == nil:
			others = append(others, log)
		case log.void:
			log.outcome = judgeVoid(first)
		default:
			log.outcome = judge(&log.Log, first)
		}
	}
	w.judgeOthers(ctx, others, changed)
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

// change writes what was submitted, in one commit. It returns the logs that it found or
// made, and the number of retries.
func (w *writer) change(ctx context.Context, submitted []*submittedLog) (changed recordedLogs, retries int, err error) {
	now := time.Now()
	changes := make([]change, len(submitted))
	for i, log := range submitted {
		changes[i] = change{Log: log.stamped(now), void: log.void}
	}
	tries := 0
	err = retry.Conflicts(ctx, func() (err error) {
		tries++
		changed, err = w.store.Write(ctx, changes)
		return err
	})
	return changed, tries - 1, err
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

// judgeOthers gives outcomes to logs that were neither recorded nor voided by the
// statement. changed is what the statement returned.
func (w *writer) judgeOthers(ctx context.Context, logs []*submittedLog, changed recordedLogs) {
	if len(logs) == 0 {
		return
	}
	keys := make([]logKey, 0, len(logs))
	for _, log := range logs {
		keys = append(keys, log.key())
		if target, ok := log.voids(); ok {
			keys = append(keys, target)
		}
	}
	known, err := w.store.Find(ctx, keys)
	if err != nil {
		fail(logs, fmt.Errorf("looking up logs that were recorded before: %w", err))
		return
	}
	for _, log := range logs {
		switch target, replaces := log.voids(); {
		case log.void:
			log.outcome = judgeVoid(known[log.key()])
		case replaces:
			log.outcome = judgeReplacement(&log.Log, known[log.key()], known[target], changed[target] != nil)
		default:
			log.outcome = judge(&log.Log, known[log.key()])
		}
	}
}
