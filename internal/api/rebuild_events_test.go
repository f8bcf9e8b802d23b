package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/query"
	"learninglog/rollup"
)

func TestEventsTellWhatHasChanged(t *testing.T) {
	t.Parallel()
	answer := httptest.NewRecorder()
	events := newEvents(answer, time.Second)
	told := func(rebuild query.Rebuild) string {
		answer.Body.Reset()
		require.NoError(t, events.tell(rebuild))
		return answer.Body.String()
	}
	rebuild := query.Rebuild{ID: 7, State: rivertype.JobStateRunning}

	assert.Regexp(t, `^event: progress\ndata: \{"id":7,.*\}\n\n$`, told(rebuild))
	assert.Empty(t, told(rebuild), "nothing has changed")
	events.sentAt = events.sentAt.Add(-keepAliveEvery)
	assert.Regexp(t, `^: .*\n\n$`, told(rebuild), "a comment keeps the connection alive")
	assert.Empty(t, told(rebuild))
	rebuild.Progress = rollup.RebuildProgress{LogsDone: 5}
	assert.Contains(t, told(rebuild), `"logs_done":5`)
	rebuild.Args.Scope.Users = []uuid.UUID{uuid.New()}
	assert.Empty(t, told(rebuild), "users in scope may be thousands, and aren't repeated")
	rebuild.State, rebuild.FinishedAt = rivertype.JobStateCompleted, new(time.Now())
	assert.Regexp(t, `^event: end\nid: end\ndata: \{"id":7,.*"state":"completed".*\}\n\n$`, told(rebuild))
}

// The server's timeouts are for requests, not for those who watch for hours.
func TestEventsOutliveTheTimeoutsOfRequests(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		events := newEvents(w, time.Minute)
		assert.NoError(t, events.begin())
		select {
		case <-r.Context().Done():
			assert.Fail(t, "the request has ended")
		case <-time.After(3 * timeout): // what is tested is that time passes
		}
		assert.NoError(t, events.tell(query.Rebuild{ID: 7, FinishedAt: new(time.Now())}))
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
