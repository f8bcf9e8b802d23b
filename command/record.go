package command

import (
	"context"
	"time"

	"learninglog/learning"
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
	// RequestIDReused: another log has its request id, this user's or another's.
	// That is a bug in the client, and the log is not recorded.
	RequestIDReused Status = "request_id_reused"
	// Invalid: a field is outside the limits. The log is not recorded.
	Invalid Status = "invalid"
	// Failed: it was not recorded, or nobody knows whether it was. Record it
	// again, later: that finds out, and never counts it twice.
	Failed Status = "failed"
)

// Retryable says whether recording the same log again can end differently.
func (s Status) Retryable() bool { return s == Failed }

// Outcome is what became of one log.
type Outcome struct {
	Status Status
	// Log is the recorded log: the new one, or the one that was there. It is
	// nil for Invalid and Failed, and for a request id that belongs to another
	// user's log, which is none of the client's business.
	Log *learning.Log
	// Errors says what is wrong with an Invalid log.
	Errors []FieldError
	// Err says why a log Failed: [ErrFull], [ErrStopped], the end of the
	// caller's context, or the database's error.
	Err error
}

// Recorder records learning logs. It is safe for concurrent use.
type Recorder struct {
	limits   Limits
	observer Observer
	group    *group
}

// NewRecorder returns a recorder that writes to db.
func NewRecorder(db database, config Config) *Recorder {
	config = config.withDefaults()
	return newRecorder(newSQLStore(db, config.Zone), config)
}

func newRecorder(store store, config Config) *Recorder {
	return &Recorder{limits: config.Limits, observer: config.Observer, group: newGroup(store, config)}
}

// Record records logs and returns an outcome for each, in their order. One bad log
// never fails its neighbours. Of several logs of a user with the same request id
// the first valid one is recorded, and the others are judged against it. Of several
// users' logs with the same request id exactly one is recorded, not always the
// first, and the others are RequestIDReused.
//
// Logs that are recorded at the same time share a commit, whoever calls. If ctx
// ends first, the logs that aren't written by then have Failed. They may be recorded
// all the same.
func (r *Recorder) Record(ctx context.Context, logs []Log) []Outcome {
	return r.record(ctx, logs, r.group.admission.acceptNow)
}

// RecordPatiently is Record, but where too many logs wait it waits for room, until
// ctx ends, before it fails with [ErrFull].
func (r *Recorder) RecordPatiently(ctx context.Context, logs []Log) []Outcome {
	return r.record(ctx, logs, r.group.admission.acceptPatiently)
}

func (r *Recorder) record(ctx context.Context, logs []Log, accept accept) []Outcome {
	now := time.Now()
	outcomes := make([]Outcome, len(logs))
	valid := make([]Log, 0, len(logs))
	for i, log := range logs {
		if wrong := r.limits.Check(log, now); wrong != nil {
			outcomes[i] = Outcome{Status: Invalid, Errors: wrong}
		} else {
			valid = append(valid, log)
		}
	}
	r.Refuse(len(logs) - len(valid))
	written := r.group.write(ctx, valid, accept)
	for i := range outcomes {
		if outcomes[i].Status == "" {
			outcomes[i], written = written[0], written[1:]
		}
	}
	return outcomes
}

// Refuse tells the observer of so many Invalid logs. Call it for what can't be read
// as a [Log]. For logs that are outside the limits Record calls it.
func (r *Recorder) Refuse(logs int) {
	if logs > 0 {
		r.observer.Refused(Invalid, logs)
	}
}

// Close waits until everything that was accepted is written, and accepts nothing
// more. If ctx ends first, it returns an error, and the logs that are left have
// Failed.
func (r *Recorder) Close(ctx context.Context) error { return r.group.close(ctx) }

// Backlog returns about how long it will take to write what waits, from a second
// to half a minute.
func (r *Recorder) Backlog() time.Duration { return r.group.backlog() }

// Waiting returns how many logs wait to be written.
func (r *Recorder) Waiting() int { return r.group.admission.countWaiting() }

// MaxWaiting returns how many may: see [Config].
func (r *Recorder) MaxWaiting() int { return r.group.admission.maxWaiting }

// judge compares a log with the recorded one that has its key, which is nil where
// another user's log has its request id.
func judge(log *Log, known *learning.Log) Outcome {
	if known == nil {
		return Outcome{Status: RequestIDReused}
	}
	same := known.WordCount == log.WordCount &&
		(log.Timestamp.IsZero() || known.Timestamp.Equal(log.Timestamp.Truncate(time.Microsecond)))
	if !same {
		return Outcome{Status: RequestIDReused, Log: known}
	}
	return Outcome{Status: AlreadyRecorded, Log: known}
}
