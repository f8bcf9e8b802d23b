package rebuild_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/rollup/rebuild"
)

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *logBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), text)
}

func TestPausedQueuesAreLoggedOnceAndCanBeResumed(t *testing.T) {
	t.Parallel()
	const eventually, often = 30 * time.Second, 50 * time.Millisecond
	log := new(logBuffer)
	jobs, err := rebuild.NewJobs(pgtest.Pool(t), rebuild.Config{
		Schema:      postgres.RiverSchema,
		Logger:      slog.New(slog.NewTextHandler(log, nil)),
		RiverLogger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	start(t, jobs)
	const isPaused, isResumed = `level=WARN msg="a queue is paused`, `level=INFO msg="a queue was resumed" queue=default`

	require.NoError(t, jobs.Client().QueuePause(t.Context(), "default", nil))
	require.Eventually(t, func() bool { return log.count(isPaused) > 0 }, eventually, often)
	assert.Equal(t, 1, log.count("resume=/admin/queues/default/resume"))
	waiting := insert(t, jobs, rebuild.Args{}).Job.ID
	queues, err := jobs.Queues(t.Context())
	require.NoError(t, err)
	for _, queue := range queues {
		assert.Equal(t, queue.Name == "default", queue.PausedAt != nil, queue.Name)
		assert.NotEqual(t, "its jobs", queue.Has(), "%s is described", queue.Name)
	}
	assert.Len(t, queues, 6)

	require.ErrorIs(t, jobs.Resume(t.Context(), "other"), rebuild.ErrNoQueue)
	require.ErrorIs(t, jobs.Resume(t.Context(), "*"), rebuild.ErrNoQueue)
	require.ErrorIs(t, jobs.Resume(t.Context(), "\x00"), rebuild.ErrNoQueue)
	require.NoError(t, jobs.Resume(context.Background(), "default"))
	require.NoError(t, jobs.Resume(context.Background(), "default"), "a second time changes nothing")
	await(t, jobs, waiting, "it is worked", func(job *rivertype.JobRow, _ rebuild.Progress) bool {
		return job.State == rivertype.JobStateCompleted
	})
	require.Eventually(t, func() bool { return log.count(isResumed) > 0 }, eventually, often)
	assert.Equal(t, 1, log.count(isPaused), "it is said once")
	assert.Equal(t, 1, log.count(isResumed))
}
