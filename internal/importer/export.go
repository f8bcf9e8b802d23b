package importer

import (
	"bytes"
	"encoding/json"
)

// maxSealedDays is how many sealed days are sent in a request.
const maxSealedDays = 500

// exportPrefixes is how lines of an export begin. No line of a log does.
func exportPrefixes() [][]byte {
	return [][]byte{
		[]byte(`{"learning_log":{`), []byte(`{"sealed_day":{`), []byte(`{"export":{`), []byte(`{"key":{`), []byte(`{"session":{`),
	}
}

// decodeExport returns what is sent for a line of an export of a learner, or nothing for one
// that isn't sent; ok is false if it is no such line. An export may follow another one. What is
// told of a log besides what a log may have is left out.
func (a Action) decodeExport(text []byte) (line []byte, sealed, ok bool) {
	for _, prefix := range exportPrefixes() {
		ok = ok || bytes.HasPrefix(text, prefix)
	}
	if !ok {
		return nil, false, false
	}
	var exported struct {
		LearningLog *sentLog        `json:"learning_log"`
		SealedDay   json.RawMessage `json:"sealed_day"`
	}
	if json.Unmarshal(text, &exported) != nil {
		return nil, false, false // the service says what is wrong
	}
	switch log := exported.LearningLog; {
	case log != nil && a.onlyRequired:
		return sentLog{RequestID: log.RequestID, UserID: log.UserID}.encode(), false, true
	case log != nil:
		return log.encode(), false, true
	case exported.SealedDay != nil && a.sealedDaysPath != "":
		return append(exported.SealedDay, '\n'), true, true
	default:
		return nil, false, true
	}
}

// divide returns the sealed days among what is sent, and the logs.
func divide(all []inputLog) (sealed, logs []inputLog) {
	for _, log := range all {
		if log.sealed {
			sealed = append(sealed, log)
		} else {
			logs = append(logs, log)
		}
	}
	return sealed, logs
}
