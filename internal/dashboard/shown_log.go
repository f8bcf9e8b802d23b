package dashboard

import (
	"learninglog/internal/language"
	"learninglog/learning"
	"learninglog/rollup"
)

// shownLog is a log of a learner's list, as it is shown.
type shownLog struct {
	RequestID, Words string
	// Time is the weekday and the time of day for which the log was recorded, as the learner's
	// clock showed them, and Moment is the whole instant. Offset is that of this clock, or
	// empty if it is that of today's.
	Time, Moment, Offset string
	// TakenBack says when it was taken back, or is empty.
	TakenBack string
	// Void is the address to which is posted that it is taken back, and Warning says what
	// that means.
	Void, Warning string
}

func shownLogs(l *language.Locale, request pageRequest, data pageData) []shownLog {
	parameters := request.view.parameters()
	if request.after != nil {
		parameters.Set("after", request.after.String())
	}
	view := parameters.Encode()
	shown := make([]shownLog, len(data.logs.Logs))
	for i, log := range data.logs.Logs {
		shown[i] = newShownLog(l, log, data.today, data.offset)
		shown[i].Void = voidAddress(log.UserID, log.RequestID, view)
	}
	return shown
}

// newShownLog shows a log to a learner whose clock shows this date and has this offset now.
func newShownLog(l *language.Locale, log learning.Log, today rollup.Date, now rollup.Offset) shownLog {
	at := log.Timestamp.In(log.UTCOffset.Location())
	words := l.Text("words", "count", log.WordCount)
	shown := shownLog{
		RequestID: log.RequestID.String(),
		Words:     l.Number(int64(log.WordCount)),
		Time:      l.Moment(at),
		Moment:    l.Moment(at),
	}
	if at.Year() == today.Time().Year() {
		shown.Time = l.ListedMoment(at)
	}
	shown.Warning = l.Text("void.warning", "words", words, "time", shown.Moment)
	if log.UTCOffset != now {
		shown.Offset = log.UTCOffset.String()
	}
	if !log.VoidedAt.IsZero() {
		shown.TakenBack = l.Text("void.done", "time", l.Moment(log.VoidedAt.In(now.Location())))
	}
	return shown
}
