package api

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-json-experiment/json/jsontext"

	"learninglog/command"
	"learninglog/internal/problem"
)

// writeArray holds its place in s.reading until the client has received the answer,
// because the answer is as large as the array.
func (s *server) writeArray(
	ctx context.Context, input *manyInput, t action, summarize func([]postedLog) any,
) (*huma.StreamResponse, error) {
	done, err := acquire(ctx, s.reading)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		defer done()
		logs, err := s.writeElements(ctx, input, t)
		if err != nil {
			_, writer := humachi.Unwrap(answer)
			s.answerProblem(ctx, writer, err)
			return
		}
		answer.SetHeader("Content-Type", mediaJSON)
		_ = json.NewEncoder(answer.BodyWriter()).Encode(summarize(logs)) // a client that is gone can ask again
	}}, nil
}

// writeElements writes the logs of an array, and returns them with their outcomes.
func (s *server) writeElements(ctx context.Context, input *manyInput, t action) ([]postedLog, error) {
	body, err := input.read(maxArrayBytes)
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
	logs := make([]postedLog, len(texts))
	for i, text := range texts {
		logs[i] = t.read(i, text)
	}
	failure := t.apply(ctx, logs, false)
	if failure != nil && noneRecorded(logs) {
		return nil, failure
	}
	if failure != nil {
		s.logFailure(ctx, failure)
	}
	return logs, nil
}

// count returns the outcomes of logs, and how many there are of each.
func count(logs []postedLog) (outcomes []BatchOutcome, counts map[command.Status]int) {
	counts = make(map[command.Status]int)
	outcomes = make([]BatchOutcome, len(logs))
	for i, log := range logs {
		outcomes[i] = log.outcome
		counts[log.outcome.Outcome]++
	}
	return outcomes, counts
}

func countRecorded(logs []postedLog) BatchOutcomes {
	outcomes, counts := count(logs)
	return BatchOutcomes{
		Recorded:        counts[command.Recorded],
		AlreadyRecorded: counts[command.AlreadyRecorded],
		RequestIDReused: counts[command.RequestIDReused],
		Voided:          counts[command.Voided],
		ReplacedUnknown: counts[command.ReplacedUnknown],
		Invalid:         counts[command.Invalid],
		Failed:          counts[command.Failed],
		Outcomes:        outcomes,
	}
}

// splitArray returns the elements of a JSON array. Errors within an element are
// found when it is decoded, so they don't affect the other elements, unless the ends
// of the element can't be found.
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
	_, err := decoder.ReadToken() // the opening [
	for err == nil && decoder.PeekKind() != ']' {
		var element []byte
		if element, err = readValue(decoder, body); err != nil {
			break
		}
		texts = append(texts, element)
		if len(texts) > maxArray {
			return nil, tooMany()
		}
	}
	if err == nil {
		_, err = decoder.ReadToken() // the closing ]
	}
	if err != nil {
		return nil, problem.Unreadable.New(explainSyntax(body, err))
	}
	return texts, readEnd(decoder, body)
}

func notAnArray(body []byte) *problem.Problem {
	return problem.Invalid.New("", problem.Field{
		Location: "body", Message: "must be a JSON array of learning logs", Value: short(string(body)),
	})
}

func tooMany() *problem.Problem {
	return problem.Invalid.New("", problem.Field{
		Location: "body",
		Message:  fmt.Sprintf("must have at most %d learning logs: split it into several batches, or send NDJSON", maxArray),
	})
}
