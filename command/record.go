package command

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"learninglog/learning"
)

// Status is the kind of outcome of a log.
type Status string

// The possible outcomes of a log.
const (
	// Recorded means that the log was stored and counted.
	Recorded Status = "recorded"
	// AlreadyRecorded means that the same log had been recorded before, with the
	// same fields. The client may treat it as done.
	AlreadyRecorded Status = "already_recorded"
	// RequestIDReused means that a different log, of this user or another, has the
	// same request id. This is a bug in the client. The log is not recorded.
	RequestIDReused Status = "request_id_reused"
	// Invalid means that a field is outside the limits. The log is not recorded.
	Invalid Status = "invalid"
	// Failed means that the log was not recorded, or that it is unknown whether it
	// was. Record it again later: that is safe, because it is never counted twice.
	// For a log to be voided it means the same.
	Failed Status = "failed"
	// Voided means, for a log to be recorded, that the same log was recorded before and
	// has been voided since: it doesn't count, and never will. For a log to be voided
	// it means that it is voided now.
	Voided Status = "voided"
	// TooOld means that the timestamp is before the horizon, where logs are or will be
	// purged: nobody could tell whether the log was recorded before. The log is not
	// recorded, and never will be.
	TooOld Status = "too_old"
	// ReplacedUnknown means that the log wasn't recorded, because it should replace a
	// log that doesn't exist, or that doesn't count any more.
	ReplacedUnknown Status = "replaced_unknown"
	// Erased means that the user was erased: nothing is recorded of them, and nothing is
	// voided.
	Erased Status = "erased"
)

// The other outcomes of a log that is to be voided.
const (
	// AlreadyVoided means that it had been voided before. The client may treat it as
	// Voided.
	AlreadyVoided Status = "already_voided"
	// Unknown means that the user has no such log.
	Unknown Status = "unknown"
)

// Retryable reports whether recording the same log again can have a different
// outcome.
func (s Status) Retryable() bool { return s == Failed }

// Outcome is the result for one log.
type Outcome struct {
	Status Status
	// Log is the recorded log: the new one, the one that was there before, or the one
	// that was voided. It is nil if there is none, and if the request id belongs to a log
	// of another user, which the client must not see.
	Log *learning.Log
	// Errors says what is wrong with an Invalid log, or with one that is TooOld.
	Errors []FieldError
	// Err says why a log Failed: [ErrFull], [ErrStopped], the end of the
	// caller's context, or the database's error.
	Err error
}

// Recorder records learning logs. It is safe for concurrent use.
type Recorder struct {
	limits   Limits
	horizon  Horizon
	observer Observer
	group    *group
	erased   ErasedUsers
	timeout  time.Duration
	// at returns where the tables are that have a user.
	at func(user uuid.UUID) querier
}

// NewRecorder returns a recorder that writes to db.
func NewRecorder(db database, config Config) *Recorder {
	config = config.withDefaults()
	r := newRecorder(newStore(db, config), config)
	r.at = func(uuid.UUID) querier { return db }
	if config.Nodes != nil {
		r.at = func(user uuid.UUID) querier { return config.Nodes.At(user) }
	}
	return r
}

func newRecorder(store store, config Config) *Recorder {
	return &Recorder{
		limits: config.Limits, horizon: config.Horizon, observer: config.Observer, group: newGroup(store, config),
		erased: config.Erased, timeout: config.Timeout,
	}
}

// Record records logs and returns an outcome for each, in the same order. A bad log
// never makes other logs fail. If one user has several logs with the same request
// id, the first valid one is recorded, and the others are compared with it. If
// several users have logs with the same request id, exactly one of them is recorded,
// not always the first; the others are RequestIDReused. If a log Failed, later ones
// that replace it have Failed too, unless they are recorded.
//
// Logs of concurrent calls share commits. If ctx ends first, the logs that aren't
// written by then have Failed. They may still be recorded afterwards.
func (r *Recorder) Record(ctx context.Context, logs []Log) []Outcome {
	return r.record(ctx, logs, r.group.admission.acceptNow)
}

// RecordPatiently is like Record, but if too many logs wait, it waits for room. It
// fails with [ErrFull] only when ctx ends.
func (r *Recorder) RecordPatiently(ctx context.Context, logs []Log) []Outcome {
	return r.record(ctx, logs, r.group.admission.acceptPatiently)
}

func (r *Recorder) record(ctx context.Context, logs []Log, accept accept) []Outcome {
	now, refusedBefore := time.Now(), r.horizon.RefusedBefore()
	outcomes := make([]Outcome, len(logs))
	valid := make([]change, 0, len(logs))
	refused := 0
	for i, log := range logs {
		wrong := r.limits.Check(log, now)
		switch {
		case wrong != nil:
			outcomes[i] = Outcome{Status: Invalid, Errors: wrong}
		case log.isBefore(refusedBefore):
			outcomes[i] = tooOld(&log, refusedBefore)
			refused++
		default:
			valid = append(valid, change{Log: log})
		}
	}
	r.CountInvalid(len(logs) - len(valid) - refused)
	if refused > 0 {
		r.observer.Refused(TooOld, refused)
	}
	written := r.group.write(ctx, valid, accept)
	for i := range outcomes {
		if outcomes[i].Status == "" {
			outcomes[i], written = written[0], written[1:]
		}
	}
	failReplacementsOfFailed(logs, outcomes)
	return outcomes
}

// failReplacementsOfFailed lets logs fail that were not recorded because the log before them
// that they replace has Failed. That one will be recorded again, and so can they.
func failReplacementsOfFailed(logs []Log, outcomes []Outcome) {
	isUnknown := func(o Outcome) bool { return o.Status == ReplacedUnknown }
	if !slices.ContainsFunc(outcomes, isUnknown) {
		return
	}
	failures := make(map[logKey]error)
	for i, log := range logs {
		err, failed := failures[logKey{log.UserID, log.Replaces}]
		if failed && isUnknown(outcomes[i]) {
			outcomes[i] = Outcome{Status: Failed, Err: err}
		}
		if outcomes[i].Status == Failed {
			failures[log.key()] = outcomes[i].Err
		}
	}
}

// CountInvalid reports a number of Invalid logs to the observer. Call it for logs that
// can't be decoded into a [Log]. Record calls it by itself for logs that are outside
// the limits.
func (r *Recorder) CountInvalid(logs int) {
	if logs > 0 {
		r.observer.Refused(Invalid, logs)
	}
}

// CountFailed reports a number of Failed logs to the observer, which were not submitted.
func (r *Recorder) CountFailed(logs int) {
	if logs > 0 {
		r.observer.Refused(Failed, logs)
	}
}

// CountFailedVoids is CountFailed for logs that were to be voided.
func (r *Recorder) CountFailedVoids(logs int) {
	if logs > 0 {
		r.observer.RefusedVoids(logs)
	}
}

// Hear takes note that another recorder of the same database has recorded logs, by the
// fingerprints that [Peers] were told. A log that is sent again is looked up at once if it
// was recorded lately, by whomever. The outcome is the database's in any case, whatever was
// heard.
func (r *Recorder) Hear(recorded []uint64) {
	for _, fingerprint := range recorded {
		r.group.known.add(fingerprint)
	}
}

// Close stops accepting logs, and waits until all accepted logs are written. If ctx
// ends first, it returns an error, and the remaining logs have Failed.
func (r *Recorder) Close(ctx context.Context) error { return r.group.close(ctx) }

// Target names a log that is to be voided.
type Target struct{ UserID, RequestID uuid.UUID }

// Void takes logs back: they don't count any more, in any rollup. It returns an outcome
// for each, in the same order. A voided log stays known by its request id, so it can't
// be recorded again. Voiding a log twice is the same as voiding it once.
//
// Logs of concurrent calls share commits, as with Record. If ctx ends first, the logs
// that aren't voided by then have Failed. They may still be voided afterwards.
func (r *Recorder) Void(ctx context.Context, targets []Target) []Outcome {
	return r.void(ctx, targets, r.group.admission.acceptNow)
}

// VoidPatiently is to Void as RecordPatiently is to Record.
func (r *Recorder) VoidPatiently(ctx context.Context, targets []Target) []Outcome {
	return r.void(ctx, targets, r.group.admission.acceptPatiently)
}

func (r *Recorder) void(ctx context.Context, targets []Target, accept accept) []Outcome {
	changes := make([]change, len(targets))
	for i, target := range targets {
		changes[i] = change{Log: Log{UserID: target.UserID, RequestID: target.RequestID}, void: true}
	}
	return r.group.write(ctx, changes, accept)
}

// EstimatedWait returns about how long it will take to write the waiting logs, from a
// second to half a minute.
func (r *Recorder) EstimatedWait() time.Duration { return r.group.backlog() }

// Waiting returns how many logs wait to be written.
func (r *Recorder) Waiting() int { return r.group.admission.countWaiting() }

// MaxWaiting returns how many logs may wait to be written: see [Config].
func (r *Recorder) MaxWaiting() int { return r.group.admission.maxWaiting }

// MaxWaitingPerCaller returns how many logs of the small calls of one caller may wait to
// be written. Its large calls, with more than 100 logs, may have half as many waiting
// besides.
func (r *Recorder) MaxWaitingPerCaller() int { return r.group.admission.maxPerCaller() }
