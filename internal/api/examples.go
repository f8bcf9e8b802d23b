package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/rollup"
)

// The logs in examples. The page of the document replaces the beginning of request ids, so
// that what somebody tries out there is new: see swagger/start.js.
const (
	exampleUser         = "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"
	exampleRequest      = "6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11"
	otherExampleRequest = "6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c12"
)

// exampleLog is a log with the fields that most have. Without it, readers of the document
// would take all fields for one log, which exclude each other.
func exampleLog() map[string]any {
	return map[string]any{
		"request_id": exampleRequest,
		"user_id":    exampleUser,
		"word_count": 12,
		"timestamp":  "2026-11-22T08:30:00Z",
		"time_zone":  "Asia/Tokyo",
	}
}

// otherExampleLog is a log from a client that doesn't know a time zone.
func otherExampleLog() map[string]any {
	return map[string]any{
		"request_id": otherExampleRequest,
		"user_id":    exampleUser,
		"word_count": 8,
		"timestamp":  "2026-11-22T21:05:30.25+09:00",
		"utc_offset": "+09:00",
	}
}

// exampleReplacement is a log that replaces exampleLog.
func exampleReplacement() map[string]any {
	log := exampleLog()
	log["request_id"], log["replaces"], log["word_count"] = "6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c13", exampleRequest, 10
	return log
}

// exampleRecorded is exampleLog as it is recorded.
func exampleRecorded() LearningLog {
	return LearningLog{
		RequestID:  exampleRequest,
		UserID:     exampleUser,
		WordCount:  12,
		Timestamp:  time.Date(2026, time.November, 22, 8, 30, 0, 0, time.UTC),
		RecordedAt: time.Date(2026, time.November, 22, 8, 30, 1, 250_317_000, time.UTC),
		UTCOffset:  "+09:00",
	}
}

// exampleVoided is exampleLog as it is recorded, and taken back since.
func exampleVoided() LearningLog {
	log := exampleRecorded()
	log.VoidedAt = new(log.RecordedAt.Add(time.Hour))
	return log
}

// exampleTarget is a log of the examples that is to be voided.
func exampleTarget(requestID string) map[string]any {
	return map[string]any{"request_id": requestID, "user_id": exampleUser}
}

// outcomesOfExamples are what becomes of exampleLog, of otherExampleLog, and of exampleLog
// that is sent again.
func outcomesOfExamples() []BatchOutcome {
	return []BatchOutcome{
		{Index: 0, RequestID: new(exampleRequest), Outcome: command.Recorded},
		{Index: 1, RequestID: new(otherExampleRequest), Outcome: command.Recorded},
		{Index: 2, RequestID: new(exampleRequest), Outcome: command.AlreadyRecorded, LearningLog: new(exampleRecorded())},
	}
}

// unhappyOutcomes are outcomes of logs that aren't recorded.
func unhappyOutcomes() []BatchOutcome {
	return []BatchOutcome{
		{Index: 0, RequestID: new(exampleRequest), Outcome: command.RequestIDReused, LearningLog: new(exampleRecorded())},
		{Index: 1, Outcome: command.Invalid, Errors: []problem.Field{{Location: "body[1].request_id", Message: "is required"}}},
		{Index: 2, RequestID: new(otherExampleRequest), Outcome: command.Failed, Retryable: true},
	}
}

// voidOutcomesOfExamples are what becomes of exampleTarget, of another log, and of
// exampleTarget that is sent again.
func voidOutcomesOfExamples() []BatchOutcome {
	taken := exampleVoided()
	other := taken
	other.RequestID = otherExampleRequest
	return []BatchOutcome{
		{Index: 0, RequestID: new(exampleRequest), Outcome: command.Voided, LearningLog: &taken},
		{Index: 1, RequestID: new(otherExampleRequest), Outcome: command.Voided, LearningLog: &other},
		{Index: 2, RequestID: new(exampleRequest), Outcome: command.AlreadyVoided, LearningLog: &taken},
	}
}

// unhappyVoidOutcomes are outcomes of logs that aren't taken back.
func unhappyVoidOutcomes() []BatchOutcome {
	return []BatchOutcome{
		{Index: 0, RequestID: new(exampleRequest), Outcome: command.Unknown},
		{Index: 1, Outcome: command.Invalid, Errors: []problem.Field{{Location: "body[1].request_id", Message: "is required"}}},
		{Index: 2, RequestID: new(otherExampleRequest), Outcome: command.Failed, Retryable: true},
	}
}

// outcomesInArray returns outcomes as an array is answered with them.
func outcomesInArray(outcomes []BatchOutcome, summarize func(map[command.Status]int) any) json.RawMessage {
	posted := make([]postedLog, len(outcomes))
	for i, outcome := range outcomes {
		posted[i].outcome = outcome
	}
	var text bytes.Buffer
	answerElements(&text, posted, summarize)
	return text.Bytes()
}

// example is an example with what it shows.
func example(summary string, value any) *huma.Example {
	return &huma.Example{Summary: summary, Value: value}
}

// examplesOf documents a body of JSON with one example.
func examplesOf(schema *huma.Schema, value any) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{mediaJSON: {Schema: schema, Example: value}}
}

// ndjson documents lines of JSON. OpenAPI 3.1 has no word for the schema of a line; 3.2 calls
// it itemSchema.
func ndjson(line *huma.Schema, examples map[string]*huma.Example) *huma.MediaType {
	return &huma.MediaType{
		Schema: &huma.Schema{
			Type:        huma.TypeString,
			Description: "Lines of JSON, with one " + line.Ref[strings.LastIndex(line.Ref, "/")+1:] + " each.",
		},
		Examples:   examples,
		Extensions: map[string]any{"x-itemSchema": line},
	}
}

// textOf documents a body that isn't JSON.
func textOf(description string) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Description: description}
}

// linesOf returns values as NDJSON.
func linesOf[T any](values ...T) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	for _, value := range values {
		_ = encoder.Encode(value) // can't fail: only strings and numbers
	}
	return text.String()
}

// exampleExport is an export of exampleLog.
func exampleExport() string {
	log := exampleRecorded()
	return linesOf(
		ExportLine{Export: &ExportContents{Version: exportVersion, UserID: exampleUser, ExportedAt: log.RecordedAt.Add(time.Hour), Settings: 1, Logs: 1, ShareLinks: []ExportedShareLink{}}},
		ExportLine{Settings: &ExportedSettings{Settings: exampleSettings(), ChangedAt: log.RecordedAt}},
		ExportLine{LearningLog: &ExportedLog{LearningLog: log, OffsetGiven: true}},
	)
}

// exampleNewSettings are what a learner may set.
func exampleNewSettings() map[string]any {
	return map[string]any{"display_name": "Mia", "goal": map[string]any{"words": 50, "per": "day"}, "freeze_days": 1}
}

// exampleSettings are those settings as they are set.
func exampleSettings() Settings {
	return Settings{UserID: exampleUser, DisplayName: "Mia", Goal: &Goal{Words: 50, Per: "day"}, FreezeDays: 1}
}

// exampleSums are those of exampleLog.
func exampleSums() Sums { return Sums{TotalWordCount: 12, EntryCount: 1, AverageWordsLearned: 12} }

// exampleDay is the date on which exampleLog counts.
func exampleDay() rollup.Date { return rollup.NewDate(2026, time.November, 22) }

func exampleSummary() Summary {
	before := exampleDay() - 1
	return Summary{
		UserID: exampleUser, Granularity: rollup.Day, From: before, To: exampleDay(), Sums: exampleSums(),
		Periods: []Period{{Period: before}, {Period: exampleDay(), Sums: exampleSums()}},
	}
}

func exampleStreaks() Streaks {
	streak := Streak{Days: 1, From: new(exampleDay().String()), To: new(exampleDay().String())}
	return Streaks{
		UserID: exampleUser, Today: exampleDay().String(), Current: streak, Longest: streak,
		AllowGaps: 1, ActiveDays: 1, LastDay: new(exampleDay().String()),
	}
}

func exampleActivity() Activity {
	day := ActiveDay{Date: exampleDay().String(), Sums: exampleSums()}
	return Activity{
		UserID: exampleUser, Year: exampleDay().Time().Year(), Sums: exampleSums(),
		ActiveDays: 1, BestDay: &day, Days: []ActiveDay{day},
	}
}
