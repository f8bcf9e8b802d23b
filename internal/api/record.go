package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/learning"
)

// maxLogBytes is the largest size of the body of one log.
const maxLogBytes = 64 << 10

// NewLearningLog is a learning log as posted by a client. It documents what
// logDecoder reads.
type NewLearningLog struct {
	_ struct{} `additionalProperties:"false"`

	RequestID   string     `json:"request_id" format:"uuid" example:"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11" doc:"The client's own, unique name for this log: a random UUID. Make one per log and keep it when posting again."`
	UserID      string     `json:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Who learned."`
	WordCount   int        `json:"word_count" minimum:"0" example:"12" doc:"How many words were learned."`
	Timestamp   *time.Time `json:"timestamp,omitempty" required:"false" example:"2026-11-22T08:30:00Z"`
	TimeZone    string     `json:"time_zone,omitempty" example:"Asia/Tokyo" doc:"Where the learner's clock is, by its name in the IANA database. The log counts on the date that this clock shows at the timestamp. With both, this one counts, and not utc_offset; with neither, the zone of the service. A name that isn't known is invalid: send utc_offset instead."`
	UTCOffset   string     `json:"utc_offset,omitempty" pattern:"^([+-][0-9]{2}:[0-9]{2}|Z)$" example:"+09:00" doc:"By how much the learner's clock is ahead of UTC, from -12:00 to +14:00, for clients that don't know a time_zone."`
	OffsetGiven *bool      `json:"offset_given,omitempty" required:"false" doc:"False says that utc_offset is not what the client said, where the log comes from, so that a re-zone may change it: for logs that are carried from one service to another. Left out, it is true if there is a time_zone or a utc_offset."`
	Replaces    string     `json:"replaces,omitempty" format:"uuid" doc:"The request_id of another log of this user, which is taken back in the same commit. If that log doesn't count, this one isn't recorded."`
	VoidedAt    *time.Time `json:"voided_at,omitempty" required:"false" doc:"When the log was taken back, where it comes from: for logs that are carried from one service to another. It is recorded, so that its request_id is taken, and doesn't count. If the log is recorded already, and counts, that is request_id_reused: take it back instead."`
}

// LearningLog is a recorded learning log.
type LearningLog struct {
	RequestID  string     `json:"request_id" format:"uuid" example:"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11"`
	UserID     string     `json:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"`
	WordCount  int        `json:"word_count" example:"12"`
	Timestamp  time.Time  `json:"timestamp" example:"2026-11-22T08:30:00Z"`
	RecordedAt time.Time  `json:"recorded_at" example:"2026-11-22T08:30:01.250317Z" doc:"When the service recorded it."`
	UTCOffset  string     `json:"utc_offset" example:"+09:00" doc:"By how much the learner's clock was ahead of UTC. The log counts on the date that this clock showed."`
	VoidedAt   *time.Time `json:"voided_at,omitempty" doc:"When the log was taken back. It is left out while the log counts."`
}

func fromLog(log learning.Log) LearningLog {
	shown := LearningLog{
		RequestID:  log.RequestID.String(),
		UserID:     log.UserID.String(),
		WordCount:  log.WordCount,
		Timestamp:  log.Timestamp,
		RecordedAt: log.RecordedAt,
		UTCOffset:  log.UTCOffset.String(),
	}
	if !log.VoidedAt.IsZero() {
		shown.VoidedAt = &log.VoidedAt
	}
	return shown
}

// fromRecorded returns the log of an outcome, or nil if the outcome has none.
func fromRecorded(log *learning.Log) *LearningLog {
	if log == nil {
		return nil
	}
	return new(fromLog(*log))
}

// documentRecord makes huma document the operation, but not handle it. Most requests
// post a single log, and huma's own work would cost as much as all the rest of such
// a request.
func (s *server) documentRecord() *huma.Operation {
	return &huma.Operation{
		OperationID: "record-learning-log",
		Summary:     "Record a learning log",
		Description: "When this is answered 201, the log is durable and counted in its day, week, month and year. Post again, with the same fields, whatever was not answered: it is counted once.\n\n" +
			"A request_id names one log for ever. If it is taken, `user_id`, `word_count` and `timestamp` (as an instant, to the microsecond, unless it is left out) are compared with the log that is recorded. " +
			"If they are the same, it is this log, sent again: 409 `already-recorded`, or 200 with on_duplicate=return. " +
			"If they aren't, it is another log, which is not recorded: 409 `request-id-reused`. The time zone isn't compared: what was said first stays.\n\n" +
			fmt.Sprintf("The body has at most %d bytes.", maxLogBytes),
		Tags: []string{tagLogs},
		Parameters: []*huma.Param{{
			Name:        onDuplicate,
			In:          "query",
			Description: "How to answer a log that is already recorded with the same fields: 409, or 200 and the recorded log. Only here, not of batches.",
			Schema:      &huma.Schema{Type: huma.TypeString, Enum: []any{conflictOnDuplicate, returnOnDuplicate}, Default: conflictOnDuplicate},
		}},
		RequestBody: requestBody(true, "The log.", map[string]*huma.MediaType{
			mediaJSON: {Schema: s.newLogSchema(), Examples: map[string]*huma.Example{
				"log":         example("A log", exampleLog()),
				"replacement": example("A correction of it, which takes it back", exampleReplacement()),
			}},
		}),
		Responses: map[string]*huma.Response{
			"201": s.documentLog("It is recorded"),
			"200": s.documentLog("It was recorded before, and on_duplicate=return was asked for"),
		},
	}
}

func (s *server) documentLog(description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Headers: map[string]*huma.Param{"Location": {
			Description: "Where the log can be read.",
			Schema:      &huma.Schema{Type: huma.TypeString},
		}},
		Content: examplesOf(schemaOf[LearningLog](s), exampleRecorded()),
	}
}

func (s *server) record(w http.ResponseWriter, r *http.Request) {
	recorded, status, err := s.recordOne(w, r)
	if err != nil {
		s.answerProblem(r.Context(), w, err)
		return
	}
	const usualAnswer = 256 // bytes
	header := w.Header()
	header.Set("Content-Type", mediaJSON)
	header.Set("Location", locationOf(recorded))
	w.WriteHeader(status)
	_, _ = w.Write(append(recorded.appendJSON(make([]byte, 0, usualAnswer)), '\n')) //nolint:gosec // JSON of checked values; a client that is gone can ask again
}

// recordOne returns the recorded log and the status of the response.
func (s *server) recordOne(w http.ResponseWriter, r *http.Request) (*LearningLog, int, error) {
	mayReturn, err := returnsDuplicates(r)
	if err != nil {
		return nil, 0, err
	}
	if err := charge(s.paceOf(r.Context()), 1); err != nil {
		return nil, 0, err
	}
	log, err := s.readLog(w, r)
	if err != nil {
		return nil, 0, err
	}
	if !s.identity(r.Context()).Knows(log.UserID) {
		s.Recorder.CountInvalid(1)
		return nil, 0, problem.Forbidden.New("The log is of another learner than the key or the token.",
			problem.Field{Location: "body.user_id", Message: "must be the learner of the key or the token", Value: log.UserID.String()})
	}
	ctx, cancel := s.finish(r.Context())
	defer cancel()
	outcome := s.Recorder.Record(ctx, []command.Log{log})[0]

	recorded := fromRecorded(outcome.Log)
	switch {
	case outcome.Status == command.Recorded:
		return recorded, http.StatusCreated, nil
	case outcome.Status == command.AlreadyRecorded && mayReturn:
		return recorded, http.StatusOK, nil
	case outcome.Status == command.AlreadyRecorded:
		return nil, 0, problem.WithLog(problem.AlreadyRecorded.New("A log with this request_id, user, words and timestamp is recorded: see its utc_offset for the zone that was said first."), recorded)
	case outcome.Status == command.RequestIDReused:
		return nil, 0, problem.WithLog(problem.RequestIDReused.New(
			"A log with this request_id and other fields is recorded, or it was recorded without replacing another; this one is not.",
			problem.Field{Location: "body.request_id", Message: "must be another one for every log", Value: log.RequestID.String()},
		), recorded)
	case outcome.Status == command.Voided:
		return nil, 0, problem.WithLog(problem.Voided.New("The log with this request_id was taken back."), recorded)
	case outcome.Status == command.ReplacedUnknown:
		return nil, 0, problem.ReplacedUnknown.New("The log that this one should replace doesn't exist or doesn't count; this one is not recorded.", problem.Field{
			Location: "body.replaces", Message: "must be the request_id of a log of this user that counts", Value: log.Replaces.String(),
		})
	case outcome.Status == command.Erased:
		return nil, 0, problem.Erased.New("")
	case outcome.Status == command.TooOld:
		return nil, 0, problem.TooOld.New("The log is from before the time from which on logs are kept; it is not recorded.",
			fieldProblems("body", outcome.Errors)...)
	case outcome.Status == command.Failed:
		return nil, 0, outcome.Err
	case outcome.Status == command.Invalid:
		return nil, 0, problem.Invalid.New("", fieldProblems("body", outcome.Errors)...)
	default:
		return nil, 0, fmt.Errorf("unknown outcome %q", outcome.Status)
	}
}

const (
	onDuplicate         = "on_duplicate"
	conflictOnDuplicate = "conflict"
	returnOnDuplicate   = "return"
)

// returnsDuplicates reads the query parameter on_duplicate.
func returnsDuplicates(r *http.Request) (bool, error) {
	parameters := readParameters(r, onDuplicate)
	return parameters.choice(onDuplicate, conflictOnDuplicate, conflictOnDuplicate, returnOnDuplicate) == returnOnDuplicate, parameters.problem()
}

// decoder reads posted logs.
func (s *server) decoder() logDecoder { return logDecoder{limits: s.Limits, zones: s.zones} }

func (s *server) readLog(w http.ResponseWriter, r *http.Request) (command.Log, error) {
	body := payloadOf(w, r)
	if _, err := body.mediaType(mediaJSON); err != nil {
		return command.Log{}, err
	}
	text, _, err := body.read(r.Context(), maxLogBytes, nil)
	if err != nil {
		return command.Log{}, err
	}
	log, wrong, err := s.decoder().decode("body", text)
	if err != nil {
		return command.Log{}, err
	}
	if wrong != nil {
		s.Recorder.CountInvalid(1)
		return command.Log{}, problem.Invalid.New("", wrong...)
	}
	return log, nil
}

// appendJSON appends the log as encoding/json would write it.
func (l *LearningLog) appendJSON(to []byte) []byte {
	to = append(to, `{"request_id":"`...)
	to = append(to, l.RequestID...)
	to = append(to, `","user_id":"`...)
	to = append(to, l.UserID...)
	to = append(to, `","word_count":`...)
	to = strconv.AppendInt(to, int64(l.WordCount), 10)
	to = append(to, `,"timestamp":"`...)
	to = l.Timestamp.AppendFormat(to, time.RFC3339Nano)
	to = append(to, `","recorded_at":"`...)
	to = l.RecordedAt.AppendFormat(to, time.RFC3339Nano)
	to = append(to, `","utc_offset":"`...)
	to = append(to, l.UTCOffset...)
	if l.VoidedAt != nil {
		to = append(to, `","voided_at":"`...)
		to = l.VoidedAt.AppendFormat(to, time.RFC3339Nano)
	}
	return append(to, `"}`...)
}

func locationOf(log *LearningLog) string {
	return "/v1/users/" + log.UserID + "/learning-logs/" + log.RequestID
}

func fieldProblems(location string, errors []command.FieldError) []problem.Field {
	problems := make([]problem.Field, len(errors))
	for i, err := range errors {
		problems[i] = problem.Field{Location: location + "." + err.Field, Message: err.Expected, Value: err.Value}
	}
	return problems
}

// newLogSchema documents a posted log with the current limits.
func (s *server) newLogSchema() *huma.Schema {
	reference := schemaOf[NewLearningLog](s)
	properties := s.api.OpenAPI().Components.Schemas.SchemaFromRef(reference.Ref).Properties
	properties["word_count"].Maximum = new(float64(s.Limits.MaxWordCount))
	properties["timestamp"].Description = fmt.Sprintf(
		"When they were learned, to the microsecond (what is finer is cut off): an RFC 3339 date-time with its offset, not before %s, and not more than %s ahead of the service's clock. "+
			"Left out, it is the time of recording; then a log that is sent again is the same whatever its time. "+
			"Its offset only tells the instant: the date on which the log counts is that of time_zone or utc_offset.",
		s.Limits.Earliest.Format(time.DateOnly), hours(s.Limits.MaxAhead))
	return reference
}
