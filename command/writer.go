package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"learninglog/rollup"
)

// store is where logs are recorded and counted.
type store interface {
	// Insert records those of logs that are new, and counts them, in one commit, and
	// returns when each of them was recorded. No two logs have the same request id. If
	// it fails, nobody knows what was recorded: nothing, or all that were new.
	Insert(ctx context.Context, logs []Log) (map[uuid.UUID]time.Time, error)
	// Find returns what is recorded with the request ids and users of logs.
	Find(ctx context.Context, logs []*Log) (map[uuid.UUID]*RecordedLog, error)
}

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

// insert records entries, gives those that were new their outcome, and returns how
// often it tried again. After an error of the store none has an outcome.
func (w *writer) insert(ctx context.Context, entries map[uuid.UUID]*entry) (retries int, err error) {
	logs := make([]Log, 0, len(entries))
	now := time.Now()
	for _, e := range entries {
		logs = append(logs, e.stamped(now))
	}
	var recordedAt map[uuid.UUID]time.Time
	tries := 0
	err = rollup.Retry(ctx, func() (err error) {
		tries++
		recordedAt, err = w.store.Insert(ctx, logs)
		return err
	})
	if err != nil {
		return tries - 1, err
	}
	for i := range logs {
		log := &logs[i]
		at, recorded := recordedAt[log.RequestID]
		if !recorded {
			continue
		}
		entries[log.RequestID].outcome = Outcome{Status: Recorded, Log: &RecordedLog{
			RequestID:  log.RequestID,
			UserID:     log.UserID,
			WordCount:  log.WordCount,
			Timestamp:  log.Timestamp,
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

// judgeTaken gives an outcome to entries whose request ids were taken before.
func (w *writer) judgeTaken(ctx context.Context, entries []*entry) {
	if len(entries) == 0 {
		return
	}
	logs := make([]*Log, len(entries))
	for i, e := range entries {
		logs[i] = &e.log
	}
	known, err := w.store.Find(ctx, logs)
	if err != nil {
		fail(entries, fmt.Errorf("looking up logs that were recorded before: %w", err))
		return
	}
	for _, e := range entries {
		e.outcome = judge(&e.log, known[e.log.RequestID])
	}
}
