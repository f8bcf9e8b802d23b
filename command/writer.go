package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
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
	//
	// If it waits for a lock for longer than patience, it fails with SQLSTATE 55P03, and
	// nothing is done. 0 is as long as ctx lasts.
	Write(ctx context.Context, changes []change, patience time.Duration) (recordedLogs, error)
	// Find returns the recorded logs that have these keys. It may return others, too.
	Find(ctx context.Context, keys []logKey) (recordedLogs, error)
}

// recordedLogs are recorded logs by their keys.
type recordedLogs map[logKey]*learning.Log

// writer writes batches to the store, and determines the outcomes of their logs.
type writer struct {
	store    store
	known    *known
	peers    Peers // or nil
	erased   ErasedUsers
	horizon  Horizon
	timeout  time.Duration
	observer Observer
}

func newWriter(store store, known *known, config Config) *writer {
	return &writer{
		store: store, known: known, peers: config.Peers, erased: config.Erased, horizon: config.Horizon,
		timeout: config.Timeout, observer: config.Observer,
	}
}

// write gives an outcome to every log of the batch, or sets it aside. At most that many
// users are set aside.
func (w *writer) write(ctx context.Context, b *batch, asideRoom int) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	begun := time.Now()
	s := &stall{room: asideRoom}
	defer func() { b.passedOn = s.happened }() // after a panic too
	retries := 0
	if logs := w.refuse(ctx, b.logs); len(logs) > 0 {
		retries = w.record(ctx, logs, s)
	}
	w.remember(b.logs)
	w.observer.Wrote(toBatch(b, time.Since(begun), retries))
}

// refuse gives logs that mustn't be recorded their outcomes, and returns the others. It is
// asked here, and not only before a log waits, because erasers and purges wait until whatever
// was judged before must have been written: as long as a batch may take.
func (w *writer) refuse(ctx context.Context, logs []*submittedLog) (others []*submittedLog) {
	return w.refuseTooOld(w.refuseErased(ctx, logs))
}

// refuseTooOld refuses the logs before the horizon, which may have been raised since they were
// submitted. Logs to be voided have no timestamp.
func (w *writer) refuseTooOld(logs []*submittedLog) (others []*submittedLog) {
	refusedBefore := w.horizon.RefusedBefore()
	others, those := split(logs, func(log *submittedLog) bool { return log.isBefore(refusedBefore) })
	for _, log := range those {
		log.outcome = tooOld(&log.Log, refusedBefore)
	}
	return others
}

// refuseErased refuses the logs of users who were erased.
func (w *writer) refuseErased(ctx context.Context, logs []*submittedLog) (others []*submittedLog) {
	wasErased, err := w.erased.Current(ctx)
	if err != nil {
		fail(logs, fmt.Errorf("finding out who was erased: %w", err))
		return nil
	}
	others, those := split(logs, func(log *submittedLog) bool { return wasErased(log.UserID) })
	for _, log := range those {
		log.outcome = Outcome{Status: Erased}
	}
	return others
}

// remember takes note of the logs that turned out to be in the database, and tells others.
func (w *writer) remember(logs []*submittedLog) {
	var recorded []uint64
	for _, log := range logs {
		if log.outcome.Log == nil {
			continue
		}
		fingerprint := log.key().fingerprint()
		w.known.add(fingerprint)
		if w.peers != nil {
			recorded = append(recorded, fingerprint)
		}
	}
	if len(recorded) > 0 {
		w.peers.Tell(recorded)
	}
}

// lookUp gives the logs of a batch that are recorded their outcomes, and passes on the
// others. They all only record. An error is none of theirs: they can still be written.
func (w *writer) lookUp(ctx context.Context, b *batch) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	logs := w.refuse(ctx, b.logs)
	keys := make([]logKey, len(logs))
	for i, log := range logs {
		keys[i] = log.key()
	}
	var recorded recordedLogs
	var err error
	if len(keys) > 0 {
		recorded, err = w.store.Find(ctx, keys)
	}
	result := Lookup{Outcomes: make(map[Status]int), Err: err}
	for _, log := range b.logs {
		if log.outcome.Status != "" {
			result.Outcomes[log.outcome.Status]++
			continue
		}
		stored := recorded[log.key()]
		if stored == nil {
			log.passedOn, b.passedOn = true, true
			result.Unknown++
			continue
		}
		log.outcome = judge(&log.Log, stored)
		result.Outcomes[log.outcome.Status]++
	}
	w.observer.LookedUp(result)
}

// stall is what a batch has to do with locks that others hold for long.
type stall struct {
	room     int  // how many more users may be set aside
	happened bool // a lock wasn't to be had in time
}

// patience returns how long to wait for a lock. It is long enough for batches of other
// replicas, for most chunks of a rebuild, and for PostgreSQL to detect a deadlock. Once it
// was too short, the logs that don't need the lock have waited enough.
func (s *stall) patience() time.Duration {
	const first, later = 1500 * time.Millisecond, 250 * time.Millisecond
	switch {
	case s.room == 0:
		return 0
	case s.happened:
		return later
	default:
		return first
	}
}

// record gives every log an outcome or sets it aside, and returns the number of retries.
// If the database refuses a log, the logs are halved until that log is alone, so that all
// others are written. If a lock is not to be had in time, the users are halved until the
// one who needs it is alone, and that one is set aside.
func (w *writer) record(ctx context.Context, logs []*submittedLog, s *stall) (retries int) {
	firsts, repeated := firstOfEachKey(logs)
	changed, retries, err := w.change(ctx, firsts, s.patience())
	if isLockTimeout(err) {
		return retries + w.isolate(ctx, logs, s)
	}
	if len(logs) > 1 && isRefusal(err) {
		middle := len(logs) / 2
		return retries + 1 + w.record(ctx, logs[:middle], s) + w.record(ctx, logs[middle:], s)
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

// isolate sets the logs aside if they are of a single user, or else records them in two
// halves of the users.
func (w *writer) isolate(ctx context.Context, logs []*submittedLog, s *stall) (retries int) {
	s.happened = true
	users := make(map[uuid.UUID]int)
	for _, log := range logs {
		if _, seen := users[log.UserID]; !seen {
			users[log.UserID] = len(users)
		}
	}
	if len(users) == 1 {
		s.room--
		for _, log := range logs {
			log.passedOn = true
		}
		return 0
	}
	ones, others := split(logs, func(log *submittedLog) bool { return users[log.UserID] >= len(users)/2 })
	return 1 + w.record(ctx, ones, s) + w.record(ctx, others, s)
}

// isLockTimeout reports whether others held a lock for longer than the statement waits.
// Then nothing was written.
func isLockTimeout(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == pgerrcode.LockNotAvailable
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
func (w *writer) change(
	ctx context.Context, submitted []*submittedLog, patience time.Duration,
) (changed recordedLogs, retries int, err error) {
	changes := make([]change, len(submitted))
	for i, log := range submitted {
		changes[i] = change{Log: log.truncated(), void: log.void}
	}
	tries := 0
	err = retry.Conflicts(ctx, func() (err error) {
		tries++
		changed, err = w.store.Write(ctx, changes, patience)
		return err
	})
	return changed, tries - 1, err
}

// truncated returns the log with its timestamp as it is stored, in microseconds. One that
// the client left out stays so: then the database's clock tells it.
func (l *Log) truncated() Log {
	log := *l
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
	purges := !w.horizon.RefusedBefore().IsZero()
	for _, log := range logs {
		switch target, replaces := log.voids(); {
		case log.void:
			log.outcome = judgeVoid(known[log.key()])
		case replaces:
			log.outcome = judgeReplacement(&log.Log, known[log.key()], known[target], changed[target] != nil, purges)
		default:
			log.outcome = judge(&log.Log, known[log.key()])
		}
	}
	// What was in the way of a log may be gone since, with its user.
	gone, _ := split(logs, func(log *submittedLog) bool { return known[log.key()] != nil })
	w.refuseErased(ctx, gone)
}
