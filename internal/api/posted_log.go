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

// readPostedLog decodes the text of the log at index.
func (s *server) readPostedLog(index int, text []byte) postedLog {
	if len(text) > maxLogBytes {
		return tooLong(index)
	}
	log, wrong, err := decodeLog(logLocation(index), text, s.Limits)
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

// recordLogs records the readable logs and sets the outcomes. It returns an error
// that explains why some logs Failed, or nil if none did.
func (s *server) recordLogs(
	ctx context.Context, posted []postedLog, record func(context.Context, []command.Log) []command.Outcome,
) error {
	logs := make([]command.Log, 0, len(posted))
	for i := range posted {
		if posted[i].readable {
			logs = append(logs, posted[i].log)
		}
	}
	s.Recorder.CountInvalid(len(posted) - len(logs))
	recorded := record(ctx, logs)
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
	case command.Recorded, command.Failed:
	case command.AlreadyRecorded, command.RequestIDReused:
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
