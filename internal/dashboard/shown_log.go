package dashboard

import (
	"learninglog/learning"
	"learninglog/rollup"
)

// shownLog is a log of a learner's list, as it is shown.
type shownLog struct {
	RequestID string
	WordCount int
	// Time is when the log was recorded for, as the learner's clock showed it. Offset is
	// that of this clock, or empty if it is that of today's.
	Time, Offset string
	// TakenBack is when it was taken back, or empty.
	TakenBack string
	// Void is the address to which is posted that it is taken back.
	Void string
}

func shownLogs(request pageRequest, data pageData) []shownLog {
	parameters := request.view.parameters()
	if request.after != nil {
		parameters.Set("after", request.after.String())
	}
	view := parameters.Encode()
	shown := make([]shownLog, len(data.logs.Logs))
	for i, log := range data.logs.Logs {
		shown[i] = newShownLog(log, data.offset)
		shown[i].Void = voidAddress(log.UserID, log.RequestID, view)
	}
	return shown
}

// newShownLog shows a log to a learner whose clock has this offset now.
func newShownLog(log learning.Log, now rollup.Offset) shownLog {
	shown := shownLog{
		RequestID: log.RequestID.String(),
		WordCount: log.WordCount,
		Time:      moment(log.Timestamp.In(log.UTCOffset.Location())),
	}
	if log.UTCOffset != now {
		shown.Offset = log.UTCOffset.String()
	}
	if !log.VoidedAt.IsZero() {
		shown.TakenBack = moment(log.VoidedAt.In(now.Location()))
	}
	return shown
}
