package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/problem"
)

// postedLog is one log of an array or a stream, with its outcome.
type postedLog struct {
	outcome BatchOutcome
	log     command.Log
	// readable says that the log could be decoded. If not, the outcome says why.
	readable bool
}

// action is what becomes of the logs of an array or a stream.
type action struct {
	// decode reads a log. If it is to be voided, only its key is needed.
	decode func(location string, text []byte) (command.Log, []problem.Field, error)
	// write records or voids logs. writePatiently waits while too many logs wait to be
	// written.
	write, writePatiently func(context.Context, []command.Log) []command.Outcome
	// countInvalid counts logs that couldn't be decoded.
	countInvalid func(logs int)
}

// toRecord is the action of logs that are to be recorded.
func (s *server) toRecord() action {
	return action{
		decode:         s.decoder().decode,
		write:          s.Recorder.Record,
		writePatiently: s.Recorder.RecordPatiently,
		countInvalid:   s.Recorder.CountInvalid,
	}
}

// toVoid is the action of logs that are to be voided.
func (s *server) toVoid() action {
	voiding := func(void func(context.Context, []command.Target) []command.Outcome) func(context.Context, []command.Log) []command.Outcome {
		return func(ctx context.Context, logs []command.Log) []command.Outcome {
			targets := make([]command.Target, len(logs))
			for i, log := range logs {
				targets[i] = command.Target{UserID: log.UserID, RequestID: log.RequestID}
			}
			return void(ctx, targets)
		}
	}
	return action{
		decode:         decodeTarget,
		write:          voiding(s.Recorder.Void),
		writePatiently: voiding(s.Recorder.VoidPatiently),
		countInvalid:   func(int) {},
	}
}

// read decodes the text of the log at index.
func (t action) read(index int, text []byte) postedLog {
	if len(text) > maxLogBytes {
		return tooLong(index)
	}
	log, wrong, err := t.decode(logLocation(index), text)
	if broken, ok := errors.AsType[*problem.Problem](err); ok {
		wrong = []problem.Field{{Location: logLocation(index), Message: broken.Detail, Value: short(string(text))}}
	}
	posted := unreadableLog(index, wrong...)
	posted.log, posted.readable = log, wrong == nil
	if log.RequestID != uuid.Nil {
		posted.outcome.RequestID = new(log.RequestID.String())
	}
	return posted
}

func tooLong(index int) postedLog {
	return unreadableLog(index, problem.Field{
		Location: logLocation(index),
		Message:  fmt.Sprintf("must have at most %d bytes", maxLogBytes),
	})
}

func unreadableLog(index int, wrong ...problem.Field) postedLog {
	return postedLog{outcome: BatchOutcome{Index: index, Outcome: command.Invalid, Errors: wrong}}
}

func logLocation(index int) string { return fmt.Sprintf("body[%d]", index) }

// apply records or voids the readable logs, patiently or not, and sets the outcomes. It
// returns an error that explains why some logs Failed, or nil if none did.
func (t action) apply(ctx context.Context, posted []postedLog, patiently bool) error {
	write := t.write
	if patiently {
		write = t.writePatiently
	}
	logs := make([]command.Log, 0, len(posted))
	for i := range posted {
		if posted[i].readable {
			logs = append(logs, posted[i].log)
		}
	}
	t.countInvalid(len(posted) - len(logs))
	recorded := write(ctx, logs)
	var failure error
	for i := range posted {
		if !posted[i].readable {
			continue
		}
		if recorded[0].Status == command.Failed && failure == nil {
			failure = recorded[0].Err
		}
		posted[i].settle(recorded[0])
		recorded = recorded[1:]
	}
	return failure
}

func (p *postedLog) settle(became command.Outcome) {
	p.outcome.Outcome, p.outcome.Retryable = became.Status, became.Status.Retryable()
	switch became.Status {
	case command.Recorded, command.Failed, command.ReplacedUnknown, command.Unknown:
	case command.AlreadyRecorded, command.RequestIDReused, command.Voided, command.AlreadyVoided:
		p.outcome.LearningLog = fromRecorded(became.Log)
	case command.Invalid:
		p.outcome.Errors = fieldProblems(logLocation(p.outcome.Index), became.Errors)
	}
}

// noneRecorded reports whether no log was recorded now, or found to be recorded
// before.
func noneRecorded(posted []postedLog) bool {
	for i := range posted {
		if outcome := posted[i].outcome.Outcome; outcome != command.Failed && outcome != command.Invalid {
			return false
		}
	}
	return true
}
