package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"learninglog/command"
)

// stream is a body of NDJSON, of any length, that is recorded while it arrives. A
// chunk of it is read while the one before is recorded and the outcomes of those
// before that are sent; so what it takes of memory doesn't depend on its length.
type stream struct {
	server   *server
	writer   http.ResponseWriter
	patience *patience
	intake   *intake
	outbox   *outbox
}

func (s *server) recordStream(ctx context.Context, input *batchInput) (*huma.StreamResponse, error) {
	done, err := acquire(ctx, s.streaming)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		defer done()
		_, writer := humachi.Unwrap(answer)
		if err := s.openStream(writer, input.reader).run(ctx); err != nil {
			writeProblem(writer, s.problem(ctx, err))
		}
	}}, nil
}

func (s *server) openStream(writer http.ResponseWriter, body io.Reader) *stream {
	control := http.NewResponseController(writer)
	_ = control.EnableFullDuplex() // HTTP/2 has it without asking
	patience := newPatience(control, s.patience)
	// What isn't read by the end must not be taken for the next request.
	writer.Header().Set("Connection", "close")
	return &stream{
		server:   s,
		writer:   writer,
		patience: patience,
		intake:   newIntake(patientReader{body, patience}, s.readEntry),
		outbox:   newOutbox(writer, patience),
	}
}

// run records the stream to its end. An error comes before anything was answered.
func (st *stream) run(ctx context.Context) error {
	stopWatching := context.AfterFunc(st.server.Stopping, st.stop)
	defer stopWatching()
	defer st.close()

	for answered := false; ; answered = true {
		chunk, err := st.intake.take()
		if err != nil {
			return st.end(ctx, err, answered)
		}
		failure := st.record(ctx, chunk, answered)
		if failure != nil && !answered && nothingIsKnown(chunk) {
			return failure
		}
		if failure != nil {
			_ = st.server.problem(ctx, failure) // which writes it into the log, once for the chunk
		}
		if !answered {
			st.beginAnswer()
		}
		if !st.answer(chunk) || failure != nil {
			return nil
		}
	}
}

// end ends the stream, given why there is no more to record.
func (st *stream) end(ctx context.Context, err error, answered bool) error {
	complete := errors.Is(err, io.EOF)
	switch {
	case complete && !answered:
		st.beginAnswer() // of no outcomes
	case !complete && !answered:
		return intakeProblem(err)
	case !complete:
		_ = st.server.problem(ctx, intakeProblem(err)) // which writes it into the log, if it is a mistake of ours
	}
	return nil
}

// record records a chunk, in turn with the other streams and batches. One that
// has begun to be answered waits while too many logs wait to be written. A chunk
// is seen to its end, even if the client is gone or the service stops.
func (st *stream) record(ctx context.Context, chunk []batchEntry, patiently bool) error {
	ctx, cancel := st.server.limitTime(context.WithoutCancel(ctx))
	defer cancel()
	done, err := acquire(ctx, st.server.recording)
	if err != nil {
		for i := range chunk {
			if chunk[i].readable {
				chunk[i].settle(command.Outcome{Status: command.Failed, Err: err})
			}
		}
		return err
	}
	defer done()
	record := st.server.Recorder.Record
	if patiently {
		record = st.server.Recorder.RecordPatiently
	}
	return st.server.recordEntries(ctx, chunk, record)
}

// beginAnswer says that what follows are outcomes.
func (st *stream) beginAnswer() {
	header := st.writer.Header()
	header.Set("Content-Type", mediaNDJSON)
	if st.intake.complete() {
		header.Del("Connection")
	}
}

// answer sends the outcomes of a chunk, or returns false if nobody reads them.
func (st *stream) answer(chunk []batchEntry) bool {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	for i := range chunk {
		_ = encoder.Encode(chunk[i].outcome) // of strings and numbers alone
	}
	return st.outbox.send(text.Bytes())
}

// stop ends the stream after the chunk that is being recorded, and gives the
// client no more time than it takes to receive its outcomes.
func (st *stream) stop() {
	st.intake.stop()
	st.patience.hurry()
}

// close returns when the outcomes are sent and nothing reads the body any more.
func (st *stream) close() {
	st.outbox.close()
	if !st.intake.complete() {
		st.intake.stop()
		st.patience.stopReading()
		<-st.intake.done
	}
	st.patience.beforeWrite() // of what ends the answer
}

// intakeProblem says why nothing could be read.
func intakeProblem(err error) error {
	switch {
	case errors.Is(err, command.ErrStopped), errors.Is(err, errPanicked):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return timedOut.problem("")
	default:
		return unreadable.problem("The body broke off.")
	}
}
