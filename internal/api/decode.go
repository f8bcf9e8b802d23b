package api

import (
	"bytes"
	"strconv"

	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/internal/zones"
	"learninglog/rollup/rebuild"
)

// logDecoder reads learning logs from JSON.
type logDecoder struct {
	limits command.Limits
	zones  *zones.Database
}

// decode reads a learning log from JSON. Text that isn't JSON results in an error,
// which is a problem; JSON that isn't a valid log results in fields.
func (d logDecoder) decode(location string, text []byte) (command.Log, []problem.Field, error) {
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
	log.WordCount = o.takeWholeNumber("word_count", d.limits)
	if timestamp := o.takeTime("timestamp"); timestamp != nil {
		log.Timestamp = *timestamp
		if timestamp.IsZero() { // the zero time would mean that the timestamp was left out
			o.wrong("timestamp", o.take("timestamp", false), d.limits.EarliestRule())
		}
	}
	if offset := o.takeOffset("utc_offset"); offset != nil {
		log.Zone = offset.Location()
	}
	if zone := o.takeZone("time_zone", d.zones); zone != nil {
		log.Zone = zone
	}
	log.ZoneAssumed = o.takeFalse("offset_given")
	if id := o.takeUUID("replaces", false); id != nil {
		log.Replaces = *id
		if *id == uuid.Nil { // which would mean that it was left out
			o.wrong("replaces", o.take("replaces", false), "must not be the nil UUID")
		}
	}
	if at := o.takeInstant("voided_at"); at != nil {
		log.VoidedAt = *at
		if at.IsZero() { // which would mean that the log counts
			o.wrong("voided_at", o.take("voided_at", false), "must be when the log was taken back")
		}
	}
	return log, o.finish(
		"request_id", "user_id", "word_count", "timestamp", "time_zone", "utc_offset", "offset_given", "replaces", "voided_at"), nil
}

// decodeTarget reads which log is to be voided, as decode reads a log. It returns a log
// of which only the key is set.
func decodeTarget(location string, text []byte) (command.Log, []problem.Field, error) {
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
	return log, o.finish("request_id", "user_id"), nil
}

// decodeRebuild reads which rebuild is requested. An empty body means everything.
func decodeRebuild(text []byte) (rebuild.Args, error) {
	args := rebuild.Args{Workers: 1, MaxLogsPerSecond: rebuild.DefaultPace}
	if len(bytes.TrimSpace(text)) == 0 {
		return args, nil
	}
	o, err := newObject("body", text)
	if err != nil {
		return rebuild.Args{}, err
	}
	args.DryRun = o.takeBool("dry_run")
	return takeArgs(o, args, "dry_run")
}

// decodeRezone reads which re-zone is requested.
func decodeRezone(text []byte, known *zones.Database) (rebuild.Args, error) {
	o, err := newObject("body", text)
	if err != nil {
		return rebuild.Args{}, err
	}
	args := rebuild.Args{Workers: 1, MaxLogsPerSecond: rebuild.DefaultPace}
	if zone := o.takeZone("time_zone", known); zone != nil {
		args.TimeZone = zone.String()
	} else if o.problems == nil { // it is absent or null
		o.wrong("time_zone", nil, "is required")
	}
	return takeArgs(o, args, "time_zone")
}

// decodePurge reads which purge is requested.
func decodePurge(text []byte) (rebuild.Args, error) {
	o, err := newObject("body", text)
	if err != nil {
		return rebuild.Args{}, err
	}
	args := rebuild.Args{
		PurgeOlderThanDays: o.takeNumber("older_than_days", 1, rebuild.MaxPurgeDays, 0),
		DryRun:             o.takeBool("dry_run"),
		Workers:            o.takeNumber("workers", 1, rebuild.MaxWorkers, 1),
		MaxLogsPerSecond:   o.takePace("max_logs_per_second", rebuild.DefaultPace),
	}
	if args.PurgeOlderThanDays == 0 && o.problems == nil { // it is absent or null
		o.wrong("older_than_days", nil, "is required")
	}
	if wrong := o.finish("older_than_days", "dry_run", "workers", "max_logs_per_second"); wrong != nil {
		return rebuild.Args{}, problem.Invalid.New("", wrong...)
	}
	return args, nil
}

// takeArgs adds the scope, the workers and the pace to the arguments of a job. others are
// the fields besides these.
func takeArgs(o *object, args rebuild.Args, others ...string) (rebuild.Args, error) {
	args.Scope.Users = o.takeUUIDs("user_ids", rebuild.MaxUsers)
	if user := o.takeUUID("user_id", false); user != nil {
		args.Scope.Users = append(args.Scope.Users, *user)
	}
	args.Scope.RecordedSince = o.takeInstant("recorded_since")
	args.Scope.From, args.Scope.To = o.takeDate("from"), o.takeDate("to")
	args.Workers = o.takeNumber("workers", 1, rebuild.MaxWorkers, args.Workers)
	args.MaxLogsPerSecond = o.takePace("max_logs_per_second", args.MaxLogsPerSecond)
	known := append([]string{"user_id", "user_ids", "recorded_since", "from", "to", "workers", "max_logs_per_second"}, others...)
	if wrong := o.finish(known...); wrong != nil {
		return rebuild.Args{}, problem.Invalid.New("", wrong...)
	}
	return args, nil
}

// takePace returns a pace of rebuilds, or otherwise if it is absent or wrong.
func (o *object) takePace(name string, otherwise int) int {
	raw := o.take(name, false)
	if raw == nil {
		return otherwise
	}
	pace, err := strconv.Atoi(string(raw))
	if err != nil {
		pace = -1 // which is no pace either
	}
	if err := rebuild.CheckPace(pace); err != nil {
		o.wrongLiteral(name, raw, err.Error())
		return otherwise
	}
	return pace
}
