package command

import (
	"time"

	"learninglog/learning"
)

// judge returns the outcome of a log that wasn't recorded, by the recorded log that has
// the same key. known is nil if the request id belongs to a log of another user.
func judge(log *Log, known *learning.Log) Outcome {
	if known == nil {
		return Outcome{Status: RequestIDReused}
	}
	same := known.WordCount == log.WordCount &&
		(log.Timestamp.IsZero() || known.Timestamp.Equal(log.Timestamp.Truncate(time.Microsecond)))
	switch {
	case !same, !log.VoidedAt.IsZero() && known.VoidedAt.IsZero():
		return Outcome{Status: RequestIDReused, Log: known}
	case log.VoidedAt.IsZero() && !known.VoidedAt.IsZero():
		return Outcome{Status: Voided, Log: known}
	default:
		return Outcome{Status: AlreadyRecorded, Log: known}
	}
}

// judgeReplacement returns the outcome of a log that should replace another, and was not
// recorded. replaced is that other log, or nil. wasThere says that it could have been
// replaced, and purges that it may have been replaced and purged since.
func judgeReplacement(log *Log, known, replaced *learning.Log, wasThere, purges bool) Outcome {
	if known == nil && !wasThere {
		return Outcome{Status: ReplacedUnknown}
	}
	outcome := judge(log, known)
	isReplaced := replaced != nil && !replaced.VoidedAt.IsZero() || replaced == nil && purges
	if outcome.Status == AlreadyRecorded && !isReplaced {
		outcome.Status = RequestIDReused // it was recorded by itself, or in place of another
	}
	return outcome
}

// judgeVoid returns the outcome of a log that should be voided, and wasn't. known is that
// log, or nil.
func judgeVoid(known *learning.Log) Outcome {
	if known == nil || known.VoidedAt.IsZero() { // it was recorded only after the attempt
		return Outcome{Status: Unknown}
	}
	return Outcome{Status: AlreadyVoided, Log: known}
}
