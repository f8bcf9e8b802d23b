package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"learninglog/command"
	"learninglog/internal/caller"
)

// stream is an NDJSON body of any length, whose logs are recorded or voided while it
// arrives. While one block is being written, the next one is read, and the outcomes of
// earlier ones are sent. So the memory needed doesn't depend on the length.
type stream struct {
	server    *server
	action    action
	request   *http.Request // for whom it is from
	writer    http.ResponseWriter
	deadlines *deadlines
	reader    *lineReader
	sender    *outcomeSender
	begun     time.Time // when it began, or action.end was called last
}

// endEvery is how often action.end is called of a stream that goes on.
const endEvery = time.Minute

func (s *server) writeStream(ctx context.Context, input *manyInput, t action) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		request, writer := humachi.Unwrap(answer)
		leave, err := s.streams.enter(ctx)
		if err != nil {
			s.answerProblem(ctx, writer, err)
			return
		}
		defer leave()
		st := s.openStream(request, writer, input.reader, t)
		remove := s.streams.add(st, caller.Of(ctx))
		defer remove()
		defer t.end()
		if err := st.run(ctx); err != nil {
			s.answerProblem(ctx, writer, err)
		}
	}}
}

func (s *server) openStream(request *http.Request, writer http.ResponseWriter, body io.Reader, t action) *stream {
	control := http.NewResponseController(writer)
	_ = control.EnableFullDuplex() // HTTP/2 is always full duplex
	deadlines := newDeadlines(control, s.streamTimeout)
	// Otherwise an unread rest of the body could be mistaken for the next request.
	writer.Header().Set("Connection", "close")
	read := t.reader()
	size := 0
	reader := newLineReader(t.pace, func(index int, text []byte) (log postedLog) {
		size += len(text)
		s.whileDecoding(size, func() { log = read(index, text) })
		return log
	})
	reader.start(deadlineReader{body, deadlines, reader.lastArrival})
	return &stream{
		server:    s,
		action:    t,
		request:   request,
		writer:    writer,
		deadlines: deadlines,
		reader:    reader,
		sender:    newOutcomeSender(writer, deadlines, &s.streams.unread),
		begun:     time.Now(),
	}
}

// run records the stream until it ends. It returns an error only if nothing was
// answered.
func (st *stream) run(ctx context.Context) error {
	stopWatching := context.AfterFunc(st.server.Stopping, st.stop)
	defer stopWatching()
	defer st.close()

	for answered := false; ; answered = true {
		block, err := st.reader.take()
		if err != nil {
			return st.finish(ctx, err, answered)
		}
		failure := st.record(ctx, block)
		if time.Since(st.begun) >= endEvery {
			st.action.end()
			st.begun = time.Now()
		}
		if failure != nil && !answered && noneRecorded(block) {
			return failure
		}
		if failure != nil {
			st.server.logFailure(ctx, failure)
		}
		if !answered {
			st.beginAnswer()
		}
		if !st.answer(block) || failure != nil {
			return nil
		}
	}
}

// finish ends the answer. err says why there are no more logs to record.
func (st *stream) finish(ctx context.Context, err error, answered bool) error {
	complete := errors.Is(err, io.EOF)
	switch {
	case complete && !answered:
		st.beginAnswer() // with no outcomes
	case !complete && !answered:
		return readingProblem(err)
	case !complete:
		st.server.logFailure(ctx, readingProblem(err))
	}
	return nil
}

// record records a block when there is a place for it, if whoever sends the stream is still
// known: a stream may last for hours. A block is always completed, even
// if the client is gone or the service stops.
func (st *stream) record(ctx context.Context, block []postedLog) error {
	ctx, cancel := st.server.finish(ctx)
	defer cancel()
	if err := st.server.isStillKnown(st.request); err != nil {
		st.action.turnAway(block)
		return err
	}
	done, err := st.server.recording.acquire(ctx, max(leastRecording, len(block)))
	if err != nil {
		st.action.refuse(block, err)
		return err
	}
	defer done()
	return st.action.apply(ctx, block)
}

// beginAnswer sets the headers of a response of outcomes.
func (st *stream) beginAnswer() {
	header := st.writer.Header()
	header.Set("Content-Type", mediaNDJSON)
	if st.reader.complete() {
		header.Del("Connection")
	}
}

// answer sends the outcomes of a block. It returns false if the client doesn't read
// them.
func (st *stream) answer(block []postedLog) bool {
	var text []byte
	for i := range block {
		text = block[i].appendOutcome(text)
		text = append(text, '\n')
		if len(text) >= maxWrite || i == len(block)-1 {
			if !st.sender.send(text) {
				return false
			}
			text = nil
		}
	}
	return true
}

// stop ends the stream because the service stops.
func (st *stream) stop() { st.end(command.ErrStopped) }

// end ends the stream after the block that is being recorded, and gives the client only a
// short time to receive the outcomes.
func (st *stream) end(cause error) {
	st.reader.stop(cause)
	st.deadlines.hurry()
}

// close returns when the outcomes are sent and the body is no longer being read.
func (st *stream) close() {
	if err := st.sender.close(); err != nil {
		st.server.Logger.Error("sending outcomes panicked", slog.Any("error", err))
	}
	if !st.reader.complete() {
		st.reader.stop(io.ErrClosedPipe)
		st.deadlines.stopReading()
		<-st.reader.done
	}
	st.deadlines.beforeWrite() // for the end of the response
}

// readingProblem returns the problem for an error of reading the body.
func readingProblem(err error) error {
	switch {
	case errors.Is(err, command.ErrStopped), errors.Is(err, errMadeWay), errors.Is(err, errPanicked):
		return err
	default:
		return bodyProblem(err)
	}
}
