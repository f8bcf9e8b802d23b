package api

import (
	"context"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/command"
	"learninglog/internal/audit"
	"learninglog/internal/problem"
)

// VoidTarget names a log that is to be voided. It documents what decodeTarget reads.
type VoidTarget struct {
	_ struct{} `additionalProperties:"false"`

	RequestID string `json:"request_id" format:"uuid" example:"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11" doc:"The client's name for the log."`
	UserID    string `json:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Whose log it is."`
}

// VoidOutcomes are the outcomes of many logs that are to be voided.
type VoidOutcomes struct {
	Voided        int            `json:"voided" doc:"How many logs have this outcome."`
	AlreadyVoided int            `json:"already_voided"`
	Unknown       int            `json:"unknown"`
	Erased        int            `json:"erased"`
	Invalid       int            `json:"invalid"`
	Forbidden     int            `json:"forbidden"`
	Failed        int            `json:"failed"`
	Outcomes      []BatchOutcome `json:"outcomes" nullable:"false" doc:"One for each log, in their order."`
}

func documentVoid() huma.Operation {
	return huma.Operation{
		OperationID: "void-learning-log",
		Summary:     "Take a learning log back",
		Description: "When this is answered, the log doesn't count any more, in any period, and never will: its request_id stays taken. " +
			"Doing it again is answered the same.\n\n" +
			"404 means that nothing is recorded under this request_id (any more), or that the user is another one than that of the key. " +
			"A log that still waits to be sent would be recorded later, and count: post it first.",
		Tags:      []string{tagLogs},
		Responses: map[string]*huma.Response{"200": {Description: "It is taken back", Content: examplesOf(nil, exampleVoided())}},
	}
}

func (s *server) void(ctx context.Context, input *logInput) (*logOutput, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	requestID, err := pathUUID("request_id", input.RequestID)
	if err != nil {
		return nil, err
	}
	if err := charge(s.paceOf(ctx), 1); err != nil {
		return nil, err
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	outcome := s.Recorder.Void(ctx, []command.Target{{UserID: userID, RequestID: requestID}})[0]
	var voided audit.Voided
	voided.Add(outcome)
	voided.Record(ctx, s.Trail)
	switch outcome.Status {
	case command.Voided, command.AlreadyVoided:
		return &logOutput{Body: fromLog(*outcome.Log)}, nil
	case command.Unknown:
		return nil, problem.NoSuchLog(s.Reader.PurgedBefore())
	case command.Erased:
		return nil, problem.Erased.New("")
	case command.Failed:
		return nil, outcome.Err
	default:
		return nil, fmt.Errorf("unknown outcome %q", outcome.Status)
	}
}

func (s *server) documentVoidMany() huma.Operation {
	return huma.Operation{
		OperationID: "void-learning-logs",
		Summary:     "Take many learning logs back",
		Description: fmt.Sprintf("Up to %d logs as a JSON array, or any number of them as NDJSON, one log a line, each with an outcome of its own. "+
			"Everything else is as when many logs are recorded.", maxArray),
		Tags:        []string{tagLogs},
		RequestBody: manyLogs(schemaOf[VoidTarget](s), exampleTarget(exampleRequest), exampleTarget(otherExampleRequest), exampleTarget(exampleRequest)),
		Responses:   s.manyOutcomes(schemaOf[VoidOutcomes](s), voidOutcomesOfExamples(), unhappyVoidOutcomes(), countVoided),
	}
}

func (s *server) voidMany(ctx context.Context, input *manyInput) (*huma.StreamResponse, error) {
	return s.writeMany(ctx, input, s.toVoid(ctx))
}

func countVoided(counts map[command.Status]int) any {
	return VoidOutcomes{
		Voided:        counts[command.Voided],
		AlreadyVoided: counts[command.AlreadyVoided],
		Unknown:       counts[command.Unknown],
		Erased:        counts[command.Erased],
		Invalid:       counts[command.Invalid],
		Forbidden:     counts[forbidden],
		Failed:        counts[command.Failed],
		Outcomes:      []BatchOutcome{},
	}
}
