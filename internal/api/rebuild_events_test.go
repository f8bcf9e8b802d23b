package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/rollup/rebuild"
)

func TestEventsTellWhatHasChanged(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	events := newEvents(answer, time.Second)
	told := func(job rebuild.Job) string {
		answer.Body.Reset()
		require.NoError(t, events.update(job))
		return answer.Body.String()
	}
	job := rebuild.Job{ID: 7, State: rebuild.Running}

	assert.Regexp(t, `^event: progress\ndata: \{"id":7,.*\}\n\n$`, told(job))
	assert.Empty(t, told(job), "nothing has changed")
	events.sentAt = events.sentAt.Add(-keepAliveEvery)
	assert.Regexp(t, `^: .*\n\n$`, told(job), "a comment keeps the connection alive")
	assert.Empty(t, told(job))
	job.Progress = rebuild.Progress{LogsDone: 5}
	assert.Contains(t, told(job), `"logs_done":5`)
	job.Args.Scope.Users = []uuid.UUID{uuid.New()}
	assert.Empty(t, told(job), "users in scope may be thousands, and aren't repeated")
	job.State, job.FinishedAt = rebuild.Completed, new(time.Now())
	assert.Regexp(t, `^event: end\nid: end\ndata: \{"id":7,.*"state":"completed".*\}\n\n$`, told(job))
}

// The server's timeouts are for requests, not for clients that watch for hours.
func TestEventsOutliveTheTimeoutsOfRequests(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events := newEvents(w, time.Minute)
		assert.NoError(t, events.begin())
		select {
		case <-r.Context().Done():
			assert.Fail(t, "the request has ended")
		case <-time.After(3 * timeout): // the test needs time to pass
		}
		assert.NoError(t, events.update(rebuild.Job{ID: 7, FinishedAt: new(time.Now())}))
	}))
	server.Config.ReadTimeout, server.Config.WriteTimeout = timeout, timeout
	server.Start()
	defer server.Close()

	response, err := http.Get(server.URL)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)

	require.NoError(t, err)
	assert.Contains(t, string(got), "event: end")
}
