package main_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// A queue that somebody has paused is noticed, and can be resumed, also without scripts.
func TestAPausedQueueIsSeenAndResumed(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	s.awaitSeries(series{`learninglog_job_queue_paused{queue="routine"}`: 0})
	b := browse(t, s)
	b.withoutScripts()
	b.open("/admin")
	assert.Zero(t, b.count("form.paused"))

	s.mustCall(http.StatusOK, http.MethodPut, "/admin/jobs/api/queues/routine/pause", "")

	s.awaitSeries(series{
		`learninglog_job_queue_paused{queue="routine"}`: 1,
		`learninglog_job_queue_paused{queue="default"}`: 0,
	})
	b.open("/admin")
	assert.Contains(t, b.text("form.paused"), "The queue “routine” is paused since")
	assert.Contains(t, b.text("form.paused"), "routine verifications wait until it is resumed")
	require.Eventually(t, func() bool { return strings.Contains(s.log.String(), "resume=/admin/queues/routine/resume") }, eventually, often)
	b.follow("form.paused button")
	assert.Equal(t, "/admin", b.path())
	assert.Zero(t, b.count("form.paused"))
	s.awaitSeries(series{`learninglog_job_queue_paused{queue="routine"}`: 0})
	require.Eventually(t, func() bool { return strings.Contains(s.log.String(), "a queue was resumed") }, eventually, often)
}

func TestTheNoticeOfAPausedQueueIsAccessible(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	s.mustCall(http.StatusOK, http.MethodPut, "/admin/jobs/api/queues/*/pause", "")
	b := browse(t, s)
	b.narrow()
	b.open("/admin")
	assert.Equal(t, 6, b.count("form.paused"))
	b.fits()
	b.isAccessible("the operators' page with paused queues")
}

func TestOnlyQueuesThatExistAreResumed(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for _, name := range []string{"other", "*", "%00", "%ff", "a%2Fb"} {
		got := s.mustCall(http.StatusNotFound, http.MethodPost, "/admin/queues/"+name+"/resume", "")
		assert.Contains(t, string(got.body), "There is no queue of jobs with this name.", name)
	}
	refused := s.browse(http.MethodPost, "/admin/queues/routine/resume", "https://elsewhere.example", "")
	assert.Equal(t, http.StatusForbidden, refused.status)
}
