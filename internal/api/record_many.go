package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/command"
	"learninglog/internal/problem"
)

const (
	// maxArray is the largest number of logs in a JSON array, and maxArrayBytes the
	// largest size of its body: 800 bytes per log.
	maxArray      = 10_000
	maxArrayBytes = 8 << 20
)

// BatchOutcome is the outcome of one of many posted logs.
type BatchOutcome struct {
	Index     int            `json:"index" doc:"The log's place in the request, from 0, without blank lines."`
	RequestID *string        `json:"request_id,omitempty" format:"uuid" doc:"The log's request id, if it could be read."`
	Outcome   command.Status `json:"outcome" enum:"recorded,already_recorded,request_id_reused,voided,already_voided,unknown,replaced_unknown,too_old,erased,invalid,forbidden,unauthenticated,failed" doc:"What became of the log: what to do with it is in the document's description (What an answer means for a log). Forget it after recorded, already_recorded, voided, erased and too_old; keep it after failed, forbidden and unauthenticated, for another try or another key; set it aside after request_id_reused, replaced_unknown and invalid. unauthenticated is a log of NDJSON whose key, token or session has ended since the request began. Of logs to be taken back, voided and already_voided are done, and unknown is a log that the user doesn't have, or not yet."`
	Retryable bool           `json:"retryable" doc:"Whether sending the same log again, later and with the same key, can end differently: only of failed."`
	// LearningLog is the log that is already recorded under the request id.
	LearningLog *LearningLog    `json:"learning_log,omitempty" doc:"For already_recorded, request_id_reused, voided and already_voided: the log that is recorded under this request id, if it is this user's."`
	Errors      []problem.Field `json:"errors,omitempty" nullable:"false" doc:"For invalid and too_old: what is wrong."`
}

// BatchOutcomes are the outcomes of many posted logs.
type BatchOutcomes struct {
	Recorded        int            `json:"recorded" doc:"How many logs have this outcome."`
	AlreadyRecorded int            `json:"already_recorded"`
	RequestIDReused int            `json:"request_id_reused"`
	Voided          int            `json:"voided"`
	ReplacedUnknown int            `json:"replaced_unknown"`
	Erased          int            `json:"erased"`
	TooOld          int            `json:"too_old"`
	Invalid         int            `json:"invalid"`
	Forbidden       int            `json:"forbidden"`
	Failed          int            `json:"failed"`
	Outcomes        []BatchOutcome `json:"outcomes" nullable:"false" doc:"One for each log, in their order."`
}

type manyInput struct {
	payload
}

func (s *server) documentRecordMany() huma.Operation {
	return huma.Operation{
		OperationID: "record-learning-logs",
		Summary:     "Record many learning logs",
		Description: fmt.Sprintf("Up to %d logs as a JSON array, or any number of them as NDJSON, one log a line. "+
			"Each log has an outcome of its own: a bad one does not keep the others from being recorded. "+
			"The answer has the format of the request. Posting a batch again is safe; there is no on_duplicate (422). "+
			"Logs of a learner take effect in their order, so a log and its correction may be in one batch.\n\n"+
			"An array is recorded when all of it has arrived. If nothing of it could be recorded because of the service, the answer is 503, else 200, and some outcomes may be `failed`.\n\n"+
			"NDJSON is recorded while it arrives, and the outcomes are sent while more is read, a line each, in the order of the logs: "+
			"read them while you send, as there is room for only those of about %d logs that are not read. "+
			"A log without an outcome line is not known to be recorded: send it again. "+
			"So is one in whose line the body breaks off. If the body ends properly with half a log, that is `invalid`. "+
			"The outcomes end early, after some that have failed or are unauthenticated or when the service stops, without another sign; "+
			"if there would be none at all, the answer is a problem instead. "+
			"A client that sends no log for %d seconds, or reads nothing, is cut off. "+
			"A line has at most %d bytes; the last one needs no line break; blank lines don't count. "+
			"Clients that can't send and read at the same time, as browsers can't, send at most %d logs in a request.\n\n"+
			"Bodies may be compressed with gzip.",
			maxArray, maxArray, int(streamTimeout.Seconds()), maxLogBytes, maxArray),
		Tags:        []string{tagLogs},
		RequestBody: manyLogs(schemaOf[NewLearningLog](s), exampleLog(), otherExampleLog(), exampleLog()),
		Responses:   s.manyOutcomes(schemaOf[BatchOutcomes](s), outcomesOfExamples(), unhappyOutcomes(), countRecorded),
	}
}

// manyLogs documents a body of many logs, such as the examples.
func manyLogs(log *huma.Schema, examples ...any) *huma.RequestBody {
	const summary = "The last one is the first one, sent again"
	return requestBody(true, "The logs.", map[string]*huma.MediaType{
		mediaJSON: {
			Schema:   &huma.Schema{Type: huma.TypeArray, Items: log, MaxItems: new(maxArray)},
			Examples: map[string]*huma.Example{"logs": example(summary, examples)},
		},
		mediaNDJSON: ndjson(log, map[string]*huma.Example{"logs": example(summary, linesOf(examples...))}),
	})
}

// manyOutcomes documents the answer to it: what becomes of the examples, and what else may.
func (s *server) manyOutcomes(schema *huma.Schema, ofExamples, unhappy []BatchOutcome, summarize func(map[command.Status]int) any) map[string]*huma.Response {
	inJSON, inLines := make(map[string]*huma.Example), make(map[string]*huma.Example)
	for name, outcomes := range map[string][]BatchOutcome{"outcomes": ofExamples, "unhappy": unhappy} {
		summary := "What becomes of the example"
		if name == "unhappy" {
			summary = "Others: the last one is to be sent again"
		}
		inJSON[name] = example(summary, outcomesInArray(outcomes, summarize))
		inLines[name] = example(summary, linesOf(outcomes...))
	}
	return map[string]*huma.Response{
		"200": {
			Description: "What became of each log",
			Content: map[string]*huma.MediaType{
				mediaJSON:   {Schema: schema, Examples: inJSON},
				mediaNDJSON: ndjson(schemaOf[BatchOutcome](s), inLines),
			},
		},
	}
}

func (s *server) recordMany(ctx context.Context, input *manyInput) (*huma.StreamResponse, error) {
	return s.writeMany(ctx, input, s.toRecord(ctx))
}

// writeMany writes the logs of a JSON array or of NDJSON. What has arrived is written even
// if the client seems to be gone: see finish.
func (s *server) writeMany(ctx context.Context, input *manyInput, t action) (*huma.StreamResponse, error) {
	ctx = context.WithoutCancel(ctx)
	mediaType, err := input.mediaType(mediaJSON, mediaNDJSON)
	if err != nil {
		return nil, err
	}
	if mediaType == mediaNDJSON {
		return s.writeStream(ctx, input, t), nil
	}
	return s.writeArray(ctx, input, t), nil
}

// answerProblem answers a failed request with the problem, whose wrong fields are in
// the body.
func (s *server) answerProblem(ctx context.Context, w http.ResponseWriter, err error) {
	s.Problems.Of(ctx, err, "body").WriteJSON(w)
}

// logFailure logs why some of many logs failed. The client gets the outcome of each
// of those logs.
func (s *server) logFailure(ctx context.Context, err error) { _ = s.Problems.Of(ctx, err, "body") }
