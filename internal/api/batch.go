package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-json-experiment/json/jsontext"

	"learninglog/command"
)

const (
	// maxBatch is the most logs that a JSON array may have, and maxBatchBytes the
	// most that its body may have: 800 bytes a log.
	maxBatch      = 10_000
	maxBatchBytes = 8 << 20
	// maxReading bounds the arrays that are in memory, or their answers, maxStreaming
	// the streams of NDJSON that are open, and maxRecording the arrays and the chunks
	// of streams that are being recorded. The others wait for their turn.
	maxReading   = 64
	maxStreaming = 64
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
		Description: fmt.Sprintf("Up to %d logs as a JSON array, or any number of them as NDJSON, one log a line. "+
			"Each log has an outcome of its own: a bad one does not keep the others from being recorded. "+
			"The answer has the format of the request. Posting a batch again is safe.\n\n"+
			"NDJSON is recorded while it arrives, and the outcomes are sent while more is read, a line each, in the order of the logs: "+
			"read them while you send, as there is room for only those of about %d logs that are not read. "+
			"A log without an outcome line is not known to be recorded: send it again. "+
			"The outcomes end early, after some that have failed or when the service stops, without another sign. "+
			"A client that sends or reads nothing for %d seconds is cut off.",
			maxBatch, maxBatch, int(streamPatience.Seconds())),
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
	if mediaType == mediaNDJSON {
		return s.recordStream(ctx, input)
	}
	return s.recordArray(ctx, input)
}

// recordArray keeps a place among those that are read until the client has its
// answer, which is as large as the array.
func (s *server) recordArray(ctx context.Context, input *batchInput) (*huma.StreamResponse, error) {
	done, err := acquire(ctx, s.reading)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		defer done()
		entries, err := s.recordBody(ctx, input)
		if err != nil {
			_, writer := humachi.Unwrap(answer)
			writeProblem(writer, s.problem(ctx, err))
			return
		}
		answer.SetHeader("Content-Type", mediaJSON)
		_ = json.NewEncoder(answer.BodyWriter()).Encode(count(entries)) // a client that is gone can ask again
	}}, nil
}

// recordBody returns what became of each log of an array.
func (s *server) recordBody(ctx context.Context, input *batchInput) ([]batchEntry, error) {
	body, err := input.read(maxBatchBytes)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.limitTime(ctx)
	defer cancel()
	done, err := acquire(ctx, s.recording)
	if err != nil {
		return nil, err
	}
	defer done()
	texts, err := splitArray(body)
	if err != nil {
		return nil, err
	}
	entries := make([]batchEntry, len(texts))
	for i, text := range texts {
		entries[i] = s.readEntry(i, text)
	}
	failure := s.recordEntries(ctx, entries, s.Recorder.Record)
	if failure != nil && nothingIsKnown(entries) {
		return nil, failure
	}
	if failure != nil {
		_ = s.problem(ctx, failure) // which writes it into the log, once for the batch
	}
	return entries, nil
}

func count(entries []batchEntry) BatchOutcomes {
	counts := make(map[command.Status]int)
	outcomes := make([]BatchOutcome, len(entries))
	for i, entry := range entries {
		outcomes[i] = entry.outcome
		counts[entry.outcome.Outcome]++
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

// splitArray returns the elements of a JSON array. What is wrong within one of them
// is found when it is read: it doesn't fail the others, unless nobody could say
// where they begin.
func splitArray(body []byte) ([][]byte, error) {
	decoder := jsonDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
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
		var element []byte
		if element, err = readValue(decoder, body); err != nil {
			break
		}
		texts = append(texts, element)
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

func tooMany() *Problem {
	return invalid.problem("", FieldProblem{
		Location: "body",
		Message:  fmt.Sprintf("must have at most %d learning logs: split it into several batches, or send NDJSON", maxBatch),
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
