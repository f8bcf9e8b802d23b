package api

import (
	"bytes"
	"time"

	"learninglog/command"
	"learninglog/rollup"
)

// decodeLog reads a learning log from JSON. The error is a problem for text that
// isn't JSON; the field problems are for JSON that isn't a log.
func decodeLog(location string, text []byte, limits command.Limits) (command.Log, []FieldProblem, error) {
	o, err := newObject(location, text)
	if err != nil {
		return command.Log{}, nil, err
	}
	var log command.Log
	if id := o.takeUUID("request_id", true); id != nil {
		log.RequestID = *id
	}
	if id := o.takeUUID("user_id", true); id != nil {
		log.UserID = *id
	}
	log.WordCount = o.takeWholeNumber("word_count", limits)
	if timestamp := o.takeTime("timestamp"); timestamp != nil {
		log.Timestamp = *timestamp
		if timestamp.IsZero() { // which would mean that it was left out
			o.wrong("timestamp", nil, "must not be before "+limits.Earliest.Format(time.RFC3339))
		}
	}
	return log, o.finish("request_id", "user_id", "word_count", "timestamp"), nil
}

// decodeRebuild reads what to rebuild. An empty body is everything.
func decodeRebuild(text []byte, zone *time.Location) (scope rollup.Scope, dryRun bool, err error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return rollup.Scope{}, false, nil
	}
	o, err := newObject("body", text)
	if err != nil {
		return rollup.Scope{}, false, err
	}
	scope.UserID = o.takeUUID("user_id", false)
	if from := o.takeBound("from", zone); from != nil {
		scope.From = &from.At
	}
	if to := o.takeBound("to", zone); to != nil {
		scope.To = new(to.Last(zone))
	}
	dryRun = o.takeBool("dry_run")
	if wrong := o.finish("user_id", "from", "to", "dry_run"); wrong != nil {
		return rollup.Scope{}, false, invalid.problem("", wrong...)
	}
	return scope, dryRun, nil
}
