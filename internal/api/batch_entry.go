package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"learninglog/command"
)

// batchEntry is one log of a batch, and what became of it.
type batchEntry struct {
	outcome BatchOutcome
	log     command.Log
	// readable says that there is a log. If there is none, the outcome says why.
	readable bool
}

// readEntry decodes the text of one log, which is the one at index.
func (s *server) readEntry(index int, text []byte) batchEntry {
	if len(text) > maxLogBytes {
		return tooLong(index)
	}
	log, wrong, err := decodeLog(entryLocation(index), text, s.Limits)
	if problem, ok := errors.AsType[*Problem](err); ok {
		wrong = []FieldProblem{{Location: entryLocation(index), Message: problem.Detail, Value: short(string(text))}}
	}
	entry := unreadableEntry(index, wrong...)
	entry.log, entry.readable = log, wrong == nil
	if log.RequestID != uuid.Nil {
		entry.outcome.RequestID = new(log.RequestID.String())
	}
	return entry
}

func tooLong(index int) batchEntry {
	return unreadableEntry(index, FieldProblem{
		Location: entryLocation(index),
		Message:  fmt.Sprintf("must have at most %d bytes", maxLogBytes),
	})
}

func unreadableEntry(index int, wrong ...FieldProblem) batchEntry {
	return batchEntry{outcome: BatchOutcome{Index: index, Outcome: command.Invalid, Errors: wrong}}
}

func entryLocation(index int) string { return fmt.Sprintf("body[%d]", index) }

// recordEntries has those entries recorded that are logs, and writes down what
// became of them. The error is why some Failed; it is nil if none did.
func (s *server) recordEntries(
	ctx context.Context, entries []batchEntry, record func(context.Context, []command.Log) []command.Outcome,
) error {
	logs := make([]command.Log, 0, len(entries))
	for i := range entries {
		if entries[i].readable {
			logs = append(logs, entries[i].log)
		}
	}
	s.Recorder.Refuse(len(entries) - len(logs))
	recorded := record(ctx, logs)
	var failure error
	for i := range entries {
		if !entries[i].readable {
			continue
		}
		if recorded[0].Status == command.Failed && failure == nil {
			failure = recorded[0].Err
		}
		entries[i].settle(recorded[0])
		recorded = recorded[1:]
	}
	return failure
}

func (e *batchEntry) settle(became command.Outcome) {
	e.outcome.Outcome, e.outcome.Retryable = became.Status, became.Status.Retryable()
	switch became.Status {
	case command.Recorded, command.Failed:
	case command.AlreadyRecorded, command.RequestIDReused:
		e.outcome.LearningLog = fromRecorded(became.Log)
	case command.Invalid:
		e.outcome.Errors = fieldProblems(entryLocation(e.outcome.Index), became.Errors)
	}
}

// nothingIsKnown says whether no log was recorded, nor found to be.
func nothingIsKnown(entries []batchEntry) bool {
	for i := range entries {
		if outcome := entries[i].outcome.Outcome; outcome != command.Failed && outcome != command.Invalid {
			return false
		}
	}
	return true
}
