package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"learninglog/rollup"
)

// store is where logs are recorded and counted.
type store interface {
	// Insert records and counts those of logs that are new, in one commit, and
	// returns them. No two of logs have the same key. Where request ids are unique
	// among all learners, the first log with one takes it. If Insert fails, nobody
	// knows what was recorded: nothing, or all that were new.
	Insert(ctx context.Context, logs []Log) (recordedLogs, error)
	// Find returns the recorded logs that have these keys.
	Find(ctx context.Context, keys []logKey) (recordedLogs, error)
}

type recordedLogs map[logKey]*RecordedLog

// writer writes batches to the store, and finds out what became of their logs.
type writer struct {
	store    store
	timeout  time.Duration
	observer Observer
}

func newWriter(store store, config Config) *writer {
	return &writer{store: store, timeout: config.Timeout, observer: config.Observer}
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
	firsts, repeated := firstOfEachKey(entries)
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
	for _, e := range firsts {
		if log := recorded[e.log.key()]; log != nil {
			e.outcome = Outcome{Status: Recorded, Log: log}
		} else {
			taken = append(taken, e)
		}
	}
	for _, e := range repeated {
		if first := recorded[e.log.key()]; first != nil {
			e.outcome = judge(&e.log, first)
		} else {
			taken = append(taken, e)
		}
	}
	w.judgeTaken(ctx, taken)
	return retries
}

// firstOfEachKey returns the first entry with each key, and all others, both in
// their order.
func firstOfEachKey(entries []*entry) (firsts, repeated []*entry) {
	if len(entries) == 1 {
		return entries, nil
	}
	seen := make(map[logKey]struct{}, len(entries))
	firsts = make([]*entry, 0, len(entries))
	for _, e := range entries {
		key := e.log.key()
		if _, again := seen[key]; again {
			repeated = append(repeated, e)
			continue
		}
		seen[key] = struct{}{}
		firsts = append(firsts, e)
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

// insert records entries, in one commit, and returns those that were new, and how
// often it tried again.
func (w *writer) insert(ctx context.Context, entries []*entry) (recorded recordedLogs, retries int, err error) {
	now := time.Now()
	logs := make([]Log, len(entries))
	for i, e := range entries {
		logs[i] = e.stamped(now)
	}
	tries := 0
	err = rollup.Retry(ctx, func() (err error) {
		tries++
		recorded, err = w.store.Insert(ctx, logs)
		return err
	})
	return recorded, tries - 1, err
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

// judgeTaken gives an outcome to entries that were not new. One whose key isn't
// found has the request id of another learner's log, which nobody is shown.
func (w *writer) judgeTaken(ctx context.Context, entries []*entry) {
	if len(entries) == 0 {
		return
	}
	keys := make([]logKey, len(entries))
	for i, e := range entries {
		keys[i] = e.log.key()
	}
	known, err := w.store.Find(ctx, keys)
	if err != nil {
		fail(entries, fmt.Errorf("looking up logs that were recorded before: %w", err))
		return
	}
	for _, e := range entries {
		e.outcome = judge(&e.log, known[e.log.key()])
	}
}
