package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"learninglog/internal/problem"
	"learninglog/rollup/rebuild"
)

const (
	watchEvery = 500 * time.Millisecond
	// readTimeout limits the time of such a read, which would otherwise wait while
	// the database is unavailable.
	readTimeout = 5 * time.Second
	// keepAliveEvery is shorter than the idle timeouts of proxies.
	keepAliveEvery = 15 * time.Second
	// reconnectAfter is how long a client waits before it reconnects.
	reconnectAfter = 2 * time.Second

	mediaEvents = "text/event-stream"
	// endEvent is both the type and the id of the last event. A client that
	// reconnects with this id has seen the end.
	progressEvent, endEvent = "progress", "end"
)

type watchInput struct {
	ID          int64  `path:"id" minimum:"1" example:"7" doc:"The rebuild's id."`
	LastEventID string `header:"Last-Event-ID" doc:"As browsers send it when they connect again."`
}

func documentWatchRebuild() huma.Operation {
	return huma.Operation{
		OperationID: "watch-rebuild",
		Summary:     "Watch a rebuild, as server-sent events",
		Description: fmt.Sprintf("An event of the type `%s` for every change, at most about two a second, and one of the type `%s` when the rebuild has ended; "+
			"then the stream is closed. The data of both is what GET /v1/rebuilds/{id} answers, without user_ids. "+
			"Where nothing changes for long, a comment is sent at least every %d seconds. "+
			"The stream is also closed when the service stops: connect again, as browsers do by themselves.",
			progressEvent, endEvent, int(keepAliveEvery.Seconds())),
		Tags: []string{tagRebuilds},
		Responses: map[string]*huma.Response{
			"200": {
				Description: "The events",
				Content: map[string]*huma.MediaType{mediaEvents: {
					Schema: &huma.Schema{Type: huma.TypeString},
				}},
			},
			"204": {Description: "Last-Event-ID says that you have seen the end: don't connect again"},
		},
	}
}

func (s *server) watchRebuild(ctx context.Context, input *watchInput) (*huma.StreamResponse, error) {
	endRead, err := s.beginRead(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer endRead()
	job, err := s.Jobs.Get(ctx, input.ID)
	if err != nil {
		return nil, err
	}
	if input.LastEventID == endEvent {
		return &huma.StreamResponse{Body: func(answer huma.Context) { answer.SetStatus(http.StatusNoContent) }}, nil
	}
	done, err := s.watching.tryAcquire(ctx, 1)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(answer huma.Context) {
		defer done()
		request, writer := humachi.Unwrap(answer)
		events := newEvents(writer, s.streamTimeout)
		if answer.Method() == http.MethodHead || events.begin() != nil {
			return
		}
		s.sendChanges(answer.Context(), request, events, job)
	}}, nil
}

// sendChanges sends every change of a rebuild until the rebuild has ended, the
// client is gone or no longer known, or the service stops. While the database is unavailable, it waits.
func (s *server) sendChanges(ctx context.Context, request *http.Request, events *events, job rebuild.Job) {
	ticks := time.NewTicker(watchEvery)
	defer ticks.Stop()
	for {
		if events.update(job) != nil || job.Ended() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-s.Stopping.Done():
			return
		case <-ticks.C:
		}
		if s.isStillKnown(request) != nil {
			return
		}
		now, err := s.readAgain(ctx, job.ID)
		switch {
		case err == nil:
			job = now
		case errors.Is(err, rebuild.ErrNotFound), ctx.Err() != nil:
			return // the rebuild was deleted
		case s.Problems.IsTemporary(err):
			s.Logger.DebugContext(ctx, "a watcher waits for the database", slog.Any("error", err), problem.LogID(ctx))
		default:
			s.logFailure(ctx, err)
			return
		}
	}
}

func (s *server) readAgain(ctx context.Context, id int64) (rebuild.Job, error) {
	ctx, cancel := context.WithTimeout(ctx, min(readTimeout, s.RequestTimeout))
	defer cancel()
	return s.Jobs.Get(ctx, id)
}

// events is a response of server-sent events. Each event is a rebuild.
type events struct {
	writer    http.ResponseWriter
	control   *http.ResponseController
	deadlines *deadlines

	lastData []byte    // the data of the last event
	sentAt   time.Time // when something was last sent
}

func newEvents(writer http.ResponseWriter, each time.Duration) *events {
	control := http.NewResponseController(writer)
	return &events{writer: writer, control: control, deadlines: newDeadlines(control, each)}
}

// begin sends what precedes the first event.
func (e *events) begin() error {
	header := e.writer.Header()
	header.Set("Content-Type", mediaEvents)
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // otherwise nginx would buffer events
	return e.send(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter.Milliseconds()))
}

// update sends the rebuild if it has changed since the last event. If it hasn't, and
// nothing was sent for long, it sends a comment.
func (e *events) update(job rebuild.Job) error {
	data, err := encodeRebuild(job)
	if err != nil {
		return err
	}
	switch {
	case job.Ended():
		return e.send(fmt.Appendf(nil, "event: %[1]s\nid: %[1]s\ndata: %[2]s\n\n", endEvent, data))
	case !bytes.Equal(data, e.lastData):
		e.lastData = data
		return e.send(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", progressEvent, data))
	case time.Since(e.sentAt) >= keepAliveEvery-watchEvery-readTimeout: // the next read may take readTimeout
		return e.send([]byte(": nothing has changed\n\n"))
	}
	return nil
}

// encodeRebuild returns the rebuild as one line of JSON, in the format of the API
// but without the users in scope: there may be ten thousand of them, and they don't
// change.
func encodeRebuild(job rebuild.Job) ([]byte, error) {
	job.Args.Scope.Users = nil
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(fromRebuild(job)); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(line.Bytes()), nil
}

func (e *events) send(text []byte) error {
	e.deadlines.beforeWrite()
	e.sentAt = time.Now()
	if _, err := e.writer.Write(text); err != nil {
		return err
	}
	return e.control.Flush()
}
