package jobpages_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/postgres"
)

// page asks for a page as a browser does.
func (s scene) page(t testing.TB, target string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+target, nil)
	request.Header.Set("Accept", "text/html")
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	return answer
}

func TestThePagesOpenOnWhatThereIs(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	opens := func(state string) {
		t.Helper()
		for _, target := range []string{"", "/"} {
			answer := s.page(t, target)
			assert.Equal(t, http.StatusFound, answer.Code)
			assert.Equal(t, path+"/jobs?state="+state, answer.Header().Get("Location"))
		}
	}
	opens("running") // none of any state
	for _, state := range []string{"scheduled", "cancelled", "discarded", "completed", "retryable", "available", "running"} {
		id := s.request(t)
		_, err := s.pool.Exec(t.Context(), `UPDATE `+postgres.RiverSchema+`.river_job
			SET state = $2::`+postgres.RiverSchema+`.river_job_state, finalized_at = CASE WHEN $2::text IN ('cancelled', 'discarded', 'completed') THEN now() END
			WHERE id = $1`, id, state)
		require.NoError(t, err)
		opens(state)
	}
	s.pool.Close()
	opens("running") // where River UI says what is wrong
}

func TestThePagesLeadBack(t *testing.T) {
	t.Parallel()
	s := newScene(t, ready)
	for _, target := range []string{"/jobs?state=completed", "/queues", "/jobs/1", "/settings"} {
		answer := s.page(t, target)
		assert.Equal(t, http.StatusOK, answer.Code, target)
		assert.Contains(t, answer.Body.String(), `href="/admin">← Operations</a></nav><div id="root"`, target)
	}
	assert.NotContains(t, s.page(t, "/robots.txt").Body.String(), "Operations")
}
