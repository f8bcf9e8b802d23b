package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/audit"
	"learninglog/internal/problem"
)

// postedLog is one log of an array or a stream, with its outcome.
type postedLog struct {
	outcome BatchOutcome
	log     command.Log
	// readable says that the log could be decoded and may be written by whoever sends it. If
	// not, the outcome says why.
	readable bool
}

// forbidden is the outcome of a log of a learner whom the caller doesn't know.
const forbidden command.Status = "forbidden"

// unauthenticated is the outcome of a log of a stream whose caller is known no longer.
const unauthenticated command.Status = "unauthenticated"

// action is what becomes of the logs of an array or a stream.
type action struct {
	// identity is whose request it is. Logs of learners whom they don't know are refused.
	identity *access.Identity
	// pace limits how many there may be, or is nil.
	pace *rate.Limiter
	// decode reads a log. If it is to be voided, only its key is needed.
	decode func(location string, text []byte) (command.Log, []problem.Field, error)
	// write records or voids logs. It waits while too many wait to be written.
	write func(context.Context, []command.Log) []command.Outcome
	// countInvalid counts logs that couldn't be decoded.
	countInvalid func(logs int)
	// countFailed counts logs that failed before they were submitted.
	countFailed func(logs int)
	// end is called when all logs that will be written are, and of a long stream now and
	// then before.
	end func()
	// summarize returns the answer to an array, without its outcomes, of which there are
	// so many.
	summarize func(map[command.Status]int) any
}

// toRecord is the action of logs that are to be recorded.
func (s *server) toRecord(ctx context.Context) action {
	return action{
		identity:     s.identity(ctx),
		pace:         s.paceOf(ctx),
		decode:       s.decoder().decode,
		write:        s.Recorder.RecordPatiently,
		countInvalid: s.Recorder.CountInvalid,
		countFailed:  s.Recorder.CountFailed,
		end:          func() {},
		summarize:    countRecorded,
	}
}

// toVoid is the action of logs that are to be voided.
func (s *server) toVoid(ctx context.Context) action {
	var voided audit.Voided
	return action{
		identity: s.identity(ctx),
		pace:     s.paceOf(ctx),
		decode:   decodeTarget,
		write: func(ctx context.Context, logs []command.Log) []command.Outcome {
			targets := make([]command.Target, len(logs))
			for i, log := range logs {
				targets[i] = command.Target{UserID: log.UserID, RequestID: log.RequestID}
			}
			outcomes := s.Recorder.VoidPatiently(ctx, targets)
			voided.Add(outcomes...)
			return outcomes
		},
		countInvalid: func(int) {},
		countFailed:  s.Recorder.CountFailedVoids,
		end:          func() { voided.Record(ctx, s.Trail) },
		summarize:    countVoided,
	}
}

// read decodes the text of the log at index.
func (t action) read(index int, text []byte) postedLog {
	if len(text) > maxLogBytes {
		return tooLong(index)
	}
	log, wrong, err := t.decode(logLocation(index), text)
	if err != nil {
		wrong = []problem.Field{brokenLine(logLocation(index), text, err)}
	}
	posted := unreadableLog(index, wrong...)
	switch {
	case wrong != nil:
	case !t.identity.Knows(log.UserID):
		posted.outcome.Outcome = forbidden
	default:
		posted.log, posted.readable = log, true
	}
	if log.RequestID != uuid.Nil {
		posted.outcome.RequestID = new(log.RequestID.String())
	}
	return posted
}

// brokenLine says what is wrong with a line that can't be read.
func brokenLine(location string, text []byte, err error) problem.Field {
	wrong := problem.Field{Location: location, Message: "can't be read", Value: short(string(text))}
	if broken, ok := errors.AsType[*problem.Problem](err); ok {
		wrong.Message = broken.Detail
	}
	return wrong
}

// maxErrorText is about how many bytes of errors are told for each maxBlock logs, so that an
// answer isn't much longer than its request.
const maxErrorText = 256 << 10

// reader returns read for the logs of a body, in their order. It tells the errors of some
// logs, and of the others only that they are wrong.
func (t action) reader() func(index int, text []byte) postedLog {
	left := 0
	return func(index int, text []byte) postedLog {
		if index%maxBlock == 0 {
			left = maxErrorText
		}
		posted := t.read(index, text)
		if left -= sizeOf(posted.outcome.Errors); left < 0 {
			posted.outcome.Errors = []problem.Field{{
				Location: logLocation(index), Message: "is wrong like others before: mend these first",
			}}
		}
		return posted
	}
}

// sizeOf returns about how long errors are.
func sizeOf(errors []problem.Field) (size int) {
	const value = 100
	for _, field := range errors {
		size += len(field.Location) + len(field.Message) + value
	}
	return size
}

// appendOutcome appends the outcome as JSON. Most outcomes are short, and are encoded as
// encoding/json would, in a fraction of the time.
func (p *postedLog) appendOutcome(to []byte) []byte {
	if o := &p.outcome; o.LearningLog == nil && o.Errors == nil {
		to = append(to, `{"index":`...)
		to = strconv.AppendInt(to, int64(o.Index), 10)
		if o.RequestID != nil {
			to = append(to, `,"request_id":"`...)
			to = append(append(to, *o.RequestID...), '"')
		}
		to = append(to, `,"outcome":"`...)
		to = append(to, o.Outcome...)
		to = append(to, `","retryable":`...)
		return append(strconv.AppendBool(to, o.Retryable), '}')
	}
	text := bytes.NewBuffer(to)
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p.outcome) // can't fail: only strings and numbers
	return bytes.TrimSuffix(text.Bytes(), []byte{'\n'})
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

// apply records or voids the readable logs, and sets the outcomes. It returns an error
// that explains why some logs Failed, or nil if none did.
func (t action) apply(ctx context.Context, posted []postedLog) error {
	logs := make([]command.Log, 0, len(posted))
	for i := range posted {
		if posted[i].readable {
			logs = append(logs, posted[i].log)
		}
	}
	t.countInvalid(len(posted) - len(logs))
	recorded := t.write(ctx, logs)
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

// refuse settles logs for which there is no place.
func (t action) refuse(posted []postedLog, err error) {
	failed := 0
	for i := range posted {
		if posted[i].readable {
			posted[i].settle(command.Outcome{Status: command.Failed, Err: err})
			failed++
		}
	}
	t.countFailed(failed)
	t.countInvalid(len(posted) - failed)
}

// turnAway settles logs of a caller who is known no longer.
func (t action) turnAway(posted []postedLog) {
	for i := range posted {
		if posted[i].readable {
			posted[i].outcome.Outcome, posted[i].readable = unauthenticated, false
		}
	}
	t.countInvalid(len(posted))
}

func (p *postedLog) settle(became command.Outcome) {
	p.outcome.Outcome, p.outcome.Retryable = became.Status, became.Status.Retryable()
	switch became.Status {
	case command.Recorded, command.Failed, command.ReplacedUnknown, command.Unknown, command.Erased:
	case command.AlreadyRecorded, command.RequestIDReused, command.Voided, command.AlreadyVoided:
		p.outcome.LearningLog = fromRecorded(became.Log)
	case command.Invalid, command.TooOld:
		p.outcome.Errors = fieldProblems(logLocation(p.outcome.Index), became.Errors)
	}
}

// noneRecorded reports whether no log was recorded now, or found to be recorded
// before.
func noneRecorded(posted []postedLog) bool {
	for i := range posted {
		if !slices.Contains([]command.Status{command.Failed, command.Invalid, command.TooOld, forbidden, unauthenticated}, posted[i].outcome.Outcome) {
			return false
		}
	}
	return true
}
