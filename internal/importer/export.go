package importer

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxSealedDays is how many sealed days are sent in a request.
const maxSealedDays = 500

// exportPrefixes is how lines of an export begin. No line of a log does.
func exportPrefixes() [][]byte {
	return [][]byte{
		[]byte(`{"learning_log":{`), []byte(`{"sealed_day":{`), []byte(`{"export":{`), []byte(`{"settings":{`),
		[]byte(`{"key":{`), []byte(`{"session":{`),
	}
}

// exportLine is a line of an export of a learner. It has one of these, or something that isn't
// imported. What is told of a log besides what a log may have is left out.
type exportLine struct {
	Export *struct {
		Logs       *int64 `json:"learning_logs"`
		SealedDays *int64 `json:"sealed_days"`
		Settings   int64  `json:"settings"`
	} `json:"export"`
	Settings    map[string]jsontext.Value `json:"settings"`
	LearningLog *sentLog                  `json:"learning_log"`
	SealedDay   jsontext.Value            `json:"sealed_day"`
}

// decodeExport decodes a line of an export; ok is false if it is no such line. As for the
// service, names must match exactly, and none may be repeated.
func decodeExport(text []byte) (line exportLine, ok bool) {
	for _, prefix := range exportPrefixes() {
		ok = ok || bytes.HasPrefix(text, prefix)
	}
	if !ok || json.Unmarshal(text, &line) != nil {
		return exportLine{}, false // if it is broken, the service says what is wrong
	}
	return line, true
}

// sent returns what is sent for a line of an export, or nothing. Settings are sent as they
// are, but for when they were changed, so that the service judges them.
func (a Action) sent(line exportLine) (text []byte, kind kind, wrong []FieldProblem) {
	switch log := line.LearningLog; {
	case log != nil && a.onlyRequired:
		return sentLog{RequestID: log.RequestID, UserID: log.UserID}.encode(), aLog, nil
	case log != nil && log.Timestamp == "" && a.refusesEmptyTimestamps:
		return nil, aLog, emptyTimestamp()
	case log != nil:
		return log.encode(), aLog, nil
	case line.SealedDay != nil && a.sealedDaysPath != "":
		return append(line.SealedDay, '\n'), aSealedDay, nil
	case line.Settings != nil && a.usersPath != "":
		delete(line.Settings, changedAt)
		text, _ = json.Marshal(line.Settings, json.Deterministic(true)) // can't fail: it was JSON
		return text, someSettings, nil
	default:
		return nil, aLog, nil
	}
}

// contents is what the export that an input is in says that it has, and what it has had so far.
type contents struct {
	line      int // of the export that says so, or 0
	says, had counts
}

type counts struct{ logs, sealedDays, settings int64 }

// pass takes note of the next line of an export, of which another may follow the one before.
// If that one isn't complete, it returns a reject of the line that says what it has: so a file
// that was cut off isn't taken for all of it.
func (c *contents) pass(line exportLine, number int) (wrong *inputLog) {
	switch {
	case line.Export != nil:
		wrong = c.end()
		if has := line.Export; has.Logs != nil && has.SealedDays != nil {
			*c = contents{line: number, says: counts{*has.Logs, *has.SealedDays, has.Settings}}
		}
	case line.LearningLog != nil:
		c.had.logs++
	case line.SealedDay != nil:
		c.had.sealedDays++
	case line.Settings != nil:
		c.had.settings++
	}
	return wrong
}

// end is like pass, at the end of the export.
func (c *contents) end() (wrong *inputLog) {
	if c.line > 0 && c.says != c.had {
		wrong = &inputLog{line: c.line, wrong: []FieldProblem{{Message: fmt.Sprintf(
			"begins an export of %d logs, %d sealed days and %d settings, of which %d, %d and %d are there: it is not complete, and what is missing is not imported",
			c.says.logs, c.says.sealedDays, c.says.settings, c.had.logs, c.had.sealedDays, c.had.settings)}}}
	}
	*c = contents{}
	return wrong
}

// kind is what a line is about.
type kind int

const (
	aLog kind = iota
	aSealedDay
	someSettings
)

// divide returns what is sent by its kind.
func divide(all []inputLog) map[kind][]inputLog {
	divided := make(map[kind][]inputLog)
	for _, log := range all {
		divided[log.kind] = append(divided[log.kind], log)
	}
	return divided
}
