package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// watching is a client that receives the events of a rebuild.
type watching struct {
	t        testing.TB
	response *http.Response
	lines    *bufio.Reader
}

func (s *service) watch(ctx context.Context, id int64, lastEventID string) *watching {
	s.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+rebuildPath(id)+"/events", nil)
	require.NoError(s.t, err)
	if lastEventID != "" {
		request.Header.Set("Last-Event-ID", lastEventID)
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = response.Body.Close() })
	return &watching{t: s.t, response: response, lines: bufio.NewReader(response.Body)}
}

// next returns the type and the rebuild of the next event, or no type at the end.
func (w *watching) next() (event string, rebuild rebuildState) {
	w.t.Helper()
	for {
		line, err := w.lines.ReadString('\n')
		if err != nil {
			assert.ErrorIs(w.t, err, io.EOF, "the stream is ended, not broken off")
			return "", rebuildState{}
		}
		if after, ok := strings.CutPrefix(line, "event: "); ok {
			event = strings.TrimSpace(after)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			require.NoError(w.t, json.Unmarshal([]byte(data), &rebuild))
			return event, rebuild
		}
	}
}

func TestWatchARebuildByItsEvents(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	id := s.beginRebuild(databaseURL)

	w := s.watch(t.Context(), id, "")
	assert.Equal(t, "text/event-stream", w.response.Header.Get("Content-Type"))
	event, before := w.next()
	assert.Equal(t, "progress", event)
	event, after := w.next()
	assert.Equal(t, "progress", event)
	assert.Greater(t, after.Progress.LogsDone, before.Progress.LogsDone, "an event is a change")

	s.cancel(id)
	last := after
	for event == "progress" {
		event, last = w.next()
	}
	assert.Equal(t, "end", event)
	assert.Equal(t, "cancelled", last.State)
	event, _ = w.next()
	assert.Empty(t, event, "nothing follows the end")

	event, again := s.watch(t.Context(), id, "").next()
	assert.Equal(t, "end", event, "who comes late is told at once")
	assert.Equal(t, last, again)
	assert.Equal(t, http.StatusNoContent, s.watch(t.Context(), id, "end").response.StatusCode, "who has seen the end needn't come back")
	s.mustCall(http.StatusOK, http.MethodHead, rebuildPath(id)+"/events", "")
}

func TestWatchersAreBounded(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	id := s.beginRebuild(databaseURL)
	ctx, leave := context.WithCancel(t.Context())
	for range 32 { // half of all, as they are of one caller
		event, _ := s.watch(ctx, id, "").next()
		require.Equal(t, "progress", event)
	}

	refused := s.watch(t.Context(), id, "").response
	assert.Equal(t, http.StatusServiceUnavailable, refused.StatusCode)
	assert.NotEmpty(t, refused.Header.Get("Retry-After"))

	leave()
	require.Eventually(t, func() bool {
		return s.watch(t.Context(), id, "").response.StatusCode == http.StatusOK
	}, eventually, often, "who leaves makes room")
}

func TestWatchersAreSentAwayWhenTheServiceStops(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	s := serve(t, append(slowly(), "--database-url", databaseURL)...)
	w := s.watch(t.Context(), s.beginRebuild(databaseURL), "")
	_, _ = w.next()

	s.stop()

	event := "progress"
	for event == "progress" {
		event, _ = w.next()
	}
	assert.Empty(t, event, "it hasn't ended: another process goes on with it")
	assert.False(t, s.log.contains("took too long"))
}

func TestWatchersOutliveAnOutage(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	driftedUsers(t, pgtest.Open(t, databaseURL), 1000)
	p := newProxy(t, databaseURL)
	s := serve(t, append(slowly(), "--database-url", p.url())...)
	w := s.watch(t.Context(), s.beginRebuild(databaseURL), "")
	_, before := w.next()

	require.Eventually(t, func() bool {
		p.disconnect()
		return s.log.contains("a watcher waits for the database")
	}, eventually, time.Millisecond)

	for after := before; after.Progress.LogsDone <= before.Progress.LogsDone+2; {
		var event string
		event, after = w.next()
		require.Equal(t, "progress", event)
	}
	p.disconnect()
}
