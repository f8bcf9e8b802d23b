package api

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
)

// newCorruptService returns a service, and a user with corrupt rows of the rollup.
func newCorruptService(t *testing.T) (service, uuid.UUID) {
	t.Helper()
	s, user := newService(t, time.UTC), uuid.New()
	for _, day := range []string{"2024-01-31", "2024-02-01"} {
		s.call(http.StatusCreated, http.MethodPost, RecordPath, mediaJSON, newLog(user, uuid.New(), `"timestamp":"`+day+`T14:00:00Z"`))
	}
	_, err := s.pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 9223372036854775807`)
	require.NoError(t, err)
	return s, user
}

func TestASumThatIsTooLargeIsAProblemThatSaysWhatRepairsIt(t *testing.T) {
	t.Parallel()
	s, user := newCorruptService(t)
	for _, target := range []string{
		"/summary?from=2024-01-31&to=2024-02-01",
		"/summary?from=2024-01-31&to=2024-02-01&format=csv",
		"/summary?from=2024-01-31&to=2024-02-01&format=svg",
		"/summary?from=2024-02-01&to=2024-02-02&fill=false&compare=true&granularity=total",
		"/summary?from=2024-01-31&to=2024-02-01&granularity=year",
		"/activity?year=2024",
	} {
		answer := s.call(http.StatusUnprocessableEntity, http.MethodGet, "/v1/users/"+user.String()+target, "", "")
		wrong := problemOf(t, answer)
		assert.Equal(t, "/problems/sum-too-large", wrong.Type, target)
		assert.Contains(t, wrong.Detail, "learninglog rebuild", target)
	}
	s.call(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/summary?from=2024-02-01&to=2024-02-01", "", "")
	s.call(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/streak", "", "")
}

func TestALogThatWouldMakeASumTooLargeIsToBeSentAgain(t *testing.T) {
	t.Parallel()
	s, user := newCorruptService(t)
	refused := newLog(user, uuid.New(), `"timestamp":"2024-02-01T14:00:00Z"`)

	answer := s.call(http.StatusServiceUnavailable, http.MethodPost, RecordPath, mediaJSON, refused)

	assert.Contains(t, problemOf(t, answer).Detail, "learninglog rebuild")
	assert.NotEmpty(t, answer.Header().Get("Retry-After"))
	batch := "[" + newLog(uuid.New(), uuid.New()) + "," + refused + "," + newLog(uuid.New(), uuid.New()) + "]"
	outcomes := decoded[BatchOutcomes](t, s.call(http.StatusOK, http.MethodPost, RecordPath+"/batch", mediaJSON, batch).Body.Bytes())
	require.Len(t, outcomes.Outcomes, 3)
	for i, want := range []command.Status{command.Recorded, command.Failed, command.Recorded} {
		assert.Equal(t, want, outcomes.Outcomes[i].Outcome)
	}
	assert.True(t, outcomes.Outcomes[1].Retryable)
}
