package api

import (
	"bytes"
	"math"
	"time"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/rollup/rebuild"
)

// decodeLog reads a learning log from JSON. Text that isn't JSON results in an
// error, which is a problem; JSON that isn't a valid log results in fields.
func decodeLog(location string, text []byte, limits command.Limits) (command.Log, []problem.Field, error) {
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
		if timestamp.IsZero() { // the zero time would mean that the timestamp was left out
			o.wrong("timestamp", o.take("timestamp", false), limits.EarliestRule())
		}
	}
	return log, o.finish("request_id", "user_id", "word_count", "timestamp"), nil
}

// decodeRebuild reads which rebuild is requested. An empty body means everything.
func decodeRebuild(text []byte, zone *time.Location) (rebuild.Args, error) {
	args := rebuild.Args{Workers: 1, MaxLogsPerSecond: rebuild.DefaultPace}
	if len(bytes.TrimSpace(text)) == 0 {
		return args, nil
	}
	o, err := newObject("body", text)
	if err != nil {
		return rebuild.Args{}, err
	}
	args.Scope.Users = o.takeUUIDs("user_ids", rebuild.MaxUsers)
	if user := o.takeUUID("user_id", false); user != nil {
		args.Scope.Users = append(args.Scope.Users, *user)
	}
	args.Scope.RecordedSince = o.takeInstant("recorded_since")
	if from := o.takeBound("from", zone); from != nil {
		args.Scope.From = &from.At
	}
	if to := o.takeBound("to", zone); to != nil {
		args.Scope.To = new(to.Last(zone))
	}
	args.DryRun = o.takeBool("dry_run")
	args.Workers = o.takeNumber("workers", 1, rebuild.MaxWorkers, args.Workers)
	args.MaxLogsPerSecond = o.takeNumber("max_logs_per_second", 0, math.MaxInt32, args.MaxLogsPerSecond)
	wrong := o.finish("user_id", "user_ids", "recorded_since", "from", "to", "dry_run", "workers", "max_logs_per_second")
	if wrong != nil {
		return rebuild.Args{}, problem.Invalid.New("", wrong...)
	}
	return args, nil
}
