package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"learninglog/command"
)

const (
	// maxBatch is the most logs that one batch may have, and maxBatchBytes the
	// most that its body may have: 800 bytes a log.
	maxBatch      = 10_000
	maxBatchBytes = 8 << 20
	// maxReading bounds the batches whose bodies are in memory, maxRecording those
	// that are being decoded and recorded. The others wait for their turn.
	maxReading   = 64
	maxRecording = 8
)

// BatchOutcome is what became of one log of a batch.
type BatchOutcome struct {
	Index     int            `json:"index" doc:"The log's place in the batch, from 0."`
	RequestID *string        `json:"request_id,omitempty" format:"uuid" doc:"The log's request id, if it could be read."`
	Outcome   command.Status `json:"outcome" enum:"recorded,already_recorded,request_id_reused,invalid,failed" doc:"Treat recorded and already_recorded as done. request_id_reused and invalid are mistakes that sending again doesn't mend. failed is none of yours: send the log again, later."`
	Retryable bool           `json:"retryable" doc:"Whether sending the same log again, later, can end differently."`
	// LearningLog is what is recorded under a request id that was taken.
	LearningLog *LearningLog   `json:"learning_log,omitempty" doc:"For already_recorded and request_id_reused: the log that is recorded under this request id, if it is this user's."`
	Errors      []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"For invalid: what is wrong."`
}

// BatchOutcomes is what became of a batch.
type BatchOutcomes struct {
	Recorded        int            `json:"recorded" doc:"How many logs have this outcome."`
	AlreadyRecorded int            `json:"already_recorded"`
	RequestIDReused int            `json:"request_id_reused"`
	Invalid         int            `json:"invalid"`
	Failed          int            `json:"failed"`
	Outcomes        []BatchOutcome `json:"outcomes" nullable:"false" doc:"One for each log, in their order."`
}

type batchInput struct {
	payload
}

func (s *server) registerBatch() {
	schema := schemaOf[NewLearningLog](s)
	most := maxBatch
	register(s, huma.Operation{
		OperationID: "record-learning-logs",
		Method:      http.MethodPost,
		Path:        "/v1/learning-logs/batch",
		Summary:     "Record many learning logs",
		Description: fmt.Sprintf("Up to %d logs, as a JSON array or as NDJSON, one log a line. "+
			"Each log has an outcome of its own: a bad one does not keep the others from being recorded. "+
			"The answer has the format of the request. Posting a batch again is safe.", maxBatch),
		Tags: []string{tagLogs},
		RequestBody: requestBody(true, "The logs.", map[string]*huma.MediaType{
			mediaJSON:   {Schema: &huma.Schema{Type: huma.TypeArray, Items: schema, MaxItems: &most}},
			mediaNDJSON: {Schema: schema},
		}),
		Responses: map[string]*huma.Response{
			"200": {
				Description: "What became of each log",
				Content: map[string]*huma.MediaType{
					mediaJSON:   {Schema: schemaOf[BatchOutcomes](s)},
					mediaNDJSON: {Schema: schemaOf[BatchOutcome](s)},
				},
			},
		},
	}, []int{
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusServiceUnavailable,
	}, s.recordBatch)
}

func (s *server) recordBatch(ctx context.Context, input *batchInput) (*huma.StreamResponse, error) {
	mediaType, err := input.mediaType(mediaJSON, mediaNDJSON)
	if err != nil {
		return nil, err
	}
	doneReading, err := acquire(ctx, s.reading)
	if err != nil {
		return nil, err
	}
	defer doneReading()
	body, err := input.read(maxBatchBytes)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.limitTime(ctx)
	defer cancel()
	doneRecording, err := acquire(ctx, s.recording)
	if err != nil {
		return nil, err
	}
	defer doneRecording()
	split := splitArray
	if mediaType == mediaNDJSON {
		split = splitLines
	}
	texts, err := split(body)
	if err != nil {
		return nil, err
	}
	outcomes, err := s.recordEntries(ctx, texts)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", mediaType)
		encoder := json.NewEncoder(ctx.BodyWriter())
		if mediaType == mediaJSON {
			_ = encoder.Encode(count(outcomes)) // a client that is gone can ask again
			return
		}
		for _, outcome := range outcomes {
			_ = encoder.Encode(outcome)
		}
	}}, nil
}

// recordEntries records those of texts that are logs, and returns an outcome for
// every one. It fails where all of them failed.
func (s *server) recordEntries(ctx context.Context, texts [][]byte) ([]BatchOutcome, error) {
	outcomes := make([]BatchOutcome, len(texts))
	logs := make([]command.Log, 0, len(texts))
	places := make([]int, 0, len(texts)) // of logs in texts
	for i, text := range texts {
		log, wrong, err := s.decodeEntry(i, text)
		if problem, ok := errors.AsType[*Problem](err); ok {
			wrong = []FieldProblem{{Location: entryLocation(i), Message: problem.Detail, Value: short(string(text))}}
		}
		outcomes[i] = BatchOutcome{Index: i, Outcome: command.Invalid, Errors: wrong}
		if log.RequestID != uuid.Nil {
			id := log.RequestID.String()
			outcomes[i].RequestID = &id
		}
		if wrong == nil {
			logs, places = append(logs, log), append(places, i)
		}
	}

	s.Recorder.Refuse(len(texts) - len(logs))
	recorded := s.Recorder.Record(ctx, logs)
	if err := allFailed(recorded); err != nil {
		return nil, err
	}
	var failure error
	for i, outcome := range recorded {
		entry := &outcomes[places[i]]
		entry.Outcome, entry.Retryable = outcome.Status, outcome.Status.Retryable()
		switch outcome.Status {
		case command.Recorded:
		case command.Failed:
			failure = outcome.Err
		case command.AlreadyRecorded, command.RequestIDReused:
			entry.LearningLog = fromRecorded(outcome.Log)
		case command.Invalid:
			entry.Errors = fieldProblems(entryLocation(entry.Index), outcome.Errors)
		}
	}
	if failure != nil {
		_ = s.problem(ctx, failure) // which writes it into the log, once for the batch
	}
	return outcomes, nil
}

// allFailed returns the error of the first outcome if every one Failed.
func allFailed(outcomes []command.Outcome) error {
	for _, outcome := range outcomes {
		if outcome.Status != command.Failed {
			return nil
		}
	}
	if len(outcomes) == 0 {
		return nil
	}
	return outcomes[0].Err
}

func (s *server) decodeEntry(index int, text []byte) (command.Log, []FieldProblem, error) {
	if len(text) > maxLogBytes {
		return command.Log{}, []FieldProblem{{
			Location: entryLocation(index),
			Message:  fmt.Sprintf("must have at most %d bytes", maxLogBytes),
		}}, nil
	}
	return decodeLog(entryLocation(index), text, s.Limits)
}

func entryLocation(index int) string { return fmt.Sprintf("body[%d]", index) }

func count(outcomes []BatchOutcome) BatchOutcomes {
	counts := make(map[command.Status]int)
	for _, outcome := range outcomes {
		counts[outcome.Outcome]++
	}
	return BatchOutcomes{
		Recorded:        counts[command.Recorded],
		AlreadyRecorded: counts[command.AlreadyRecorded],
		RequestIDReused: counts[command.RequestIDReused],
		Invalid:         counts[command.Invalid],
		Failed:          counts[command.Failed],
		Outcomes:        outcomes,
	}
}

// splitArray returns the elements of a JSON array, each a valid JSON value.
func splitArray(body []byte) ([][]byte, error) {
	decoder := jsonDecoder(body)
	defer jsonDecoders.Put(decoder)
	if decoder.PeekKind() != '[' {
		if err := readRest(decoder, body); err != nil {
			return nil, err
		}
		return nil, notAnArray(body)
	}
	var texts [][]byte
	_, err := decoder.ReadToken() // [
	for err == nil && decoder.PeekKind() != ']' {
		var element jsontext.Value
		if element, err = decoder.ReadValue(); err != nil {
			break
		}
		end := decoder.InputOffset()
		texts = append(texts, body[end-int64(len(element)):end])
		if len(texts) > maxBatch {
			return nil, tooMany()
		}
	}
	if err == nil {
		_, err = decoder.ReadToken() // ]
	}
	if err != nil {
		return nil, unreadable.problem(explainSyntax(body, err))
	}
	return texts, readEnd(decoder, body)
}

func notAnArray(body []byte) *Problem {
	return invalid.problem("", FieldProblem{
		Location: "body", Message: "must be a JSON array of learning logs", Value: short(string(body)),
	})
}

// splitLines returns the lines of NDJSON that aren't empty.
func splitLines(body []byte) ([][]byte, error) {
	var texts [][]byte
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if texts = append(texts, line); len(texts) > maxBatch {
			return nil, tooMany()
		}
	}
	return texts, nil
}

func tooMany() *Problem {
	return invalid.problem("", FieldProblem{
		Location: "body",
		Message:  fmt.Sprintf("must have at most %d learning logs: split it into several batches", maxBatch),
	})
}

// acquire waits for a place among those that places has room for, and returns
// what gives it back.
func acquire(ctx context.Context, places chan struct{}) (release func(), err error) {
	const patience = 10 * time.Second
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
	case <-time.After(patience):
	}
	problem := unavailable.problem("Too many batches are being recorded.")
	problem.retryAfter = retryAfter
	return nil, problem
}
