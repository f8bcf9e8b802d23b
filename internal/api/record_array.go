package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-json-experiment/json/jsontext"

	"learninglog/command"
	"learninglog/internal/problem"
)

// writeArray holds a place until the client has received the answer, because the answer is
// as large as the array.
func (s *server) writeArray(ctx context.Context, input *manyInput, t action) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		_, writer := humachi.Unwrap(answer)
		body, release, err := input.read(ctx, maxArrayBytes, s.bodies)
		if err != nil {
			s.answerProblem(ctx, writer, err)
			return
		}
		free := sync.OnceFunc(release)
		defer free()
		var texts [][]byte
		s.whileDecoding(len(body), func() { texts, err = splitArray(body) })
		if err != nil {
			s.answerProblem(ctx, writer, err)
			return
		}
		if err := charge(t.pace, len(texts)); err != nil {
			s.answerProblem(ctx, writer, err)
			return
		}
		done, err := s.arrays.acquire(ctx, max(1, len(texts)))
		if err != nil {
			s.answerProblem(ctx, writer, err)
			return
		}
		defer done()
		logs, err := s.writeElements(ctx, texts, len(body), t)
		t.end()
		free()
		if err != nil {
			s.answerProblem(ctx, writer, err)
			return
		}
		answer.SetHeader("Content-Type", mediaJSON)
		answerElements(writer, logs, t.summarize)
	}}
}

// writeElements writes the logs of an array of that many bytes, and returns them with their
// outcomes.
func (s *server) writeElements(ctx context.Context, texts [][]byte, size int, t action) ([]postedLog, error) {
	ctx, cancel := s.finish(ctx)
	defer cancel()
	done, err := s.recording.acquire(ctx, max(leastRecording, len(texts)))
	if err != nil {
		return nil, err
	}
	defer done()
	logs := s.readElements(texts, size, t)
	failure := t.apply(ctx, logs)
	if failure != nil && noneRecorded(logs) {
		return nil, failure
	}
	if failure != nil {
		s.logFailure(ctx, failure)
	}
	return logs, nil
}

// yieldEvery is after how many logs of an array others have a turn at the processor. Else
// they would have it after 10 ms, which is much longer than it takes to record a log.
const yieldEvery = 20

// readElements decodes the logs of an array of that many bytes.
func (s *server) readElements(texts [][]byte, size int, t action) []postedLog {
	logs := make([]postedLog, 0, len(texts))
	read := t.reader()
	for some := range slices.Chunk(texts, yieldEvery) {
		s.whileDecoding(size, func() {
			for _, text := range some {
				logs = append(logs, read(len(logs), text))
			}
		})
	}
	return logs
}

// whileDecoding calls decode: when it is its turn, unless the body is so small that it
// needed no place either. So small bodies don't wait for large ones.
func (s *server) whileDecoding(size int, decode func()) {
	if size <= freeBytes {
		decode()
		return
	}
	s.decoding <- struct{}{}
	defer func() {
		<-s.decoding
		runtime.Gosched()
	}()
	decode()
}

// answerElements sends the outcomes one by one, because all of them may be many megabytes.
func answerElements(w io.Writer, logs []postedLog, summarize func(map[command.Status]int) any) {
	counts := make(map[command.Status]int)
	for i := range logs {
		counts[logs[i].outcome.Outcome]++
	}
	const end = "]}"
	summary, _ := json.Marshal(summarize(counts)) // can't fail: only numbers
	const oneOutcome = 128                        // bytes, usually
	text := bufio.NewWriterSize(w, min(len(summary)+len(logs)*oneOutcome, maxWrite))
	var one []byte
	_, _ = text.Write(bytes.TrimSuffix(summary, []byte(end))) // of a client that is gone, which can ask again
	for i := range logs {
		if i > 0 {
			_ = text.WriteByte(',')
		}
		if i%yieldEvery == 0 {
			runtime.Gosched()
		}
		one = logs[i].appendOutcome(one[:0])
		_, _ = text.Write(one)
	}
	_, _ = text.WriteString(end + "\n")
	_ = text.Flush()
}

func countRecorded(counts map[command.Status]int) any {
	return BatchOutcomes{
		Recorded:        counts[command.Recorded],
		AlreadyRecorded: counts[command.AlreadyRecorded],
		RequestIDReused: counts[command.RequestIDReused],
		Voided:          counts[command.Voided],
		ReplacedUnknown: counts[command.ReplacedUnknown],
		Erased:          counts[command.Erased],
		TooOld:          counts[command.TooOld],
		Invalid:         counts[command.Invalid],
		Forbidden:       counts[forbidden],
		Failed:          counts[command.Failed],
		Outcomes:        []BatchOutcome{},
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
		if len(texts)%yieldEvery == 0 {
			runtime.Gosched()
		}
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
