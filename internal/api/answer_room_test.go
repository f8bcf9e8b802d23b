package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
	"learninglog/query"
)

// A client that reads slowly must not keep more in memory than allowed.
func TestALargeAnswerKeepsItsRoomUntilItIsSent(t *testing.T) {
	t.Parallel()
	config := newConfig(nil)
	config.Reader = query.NewReader(pgtest.Pool(t), time.UTC)
	config.RequestTimeout = time.Minute
	s, router, err := newServer(config)
	require.NoError(t, err)
	for target, least := range map[string]int{
		"/summary?from=2000-01-01&to=2020-01-01": 1_000_000,
		"/summary":                               0,
		"/learning-logs?limit=1000":              1_000_000,
	} {
		held := -1
		answer := writing{httptest.NewRecorder(), func() { held = max(held, taken(s.answers)) }}
		router.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, pathOf(uuid.New(), target), nil))

		require.Equal(t, http.StatusOK, answer.Code, "%s: %s", target, answer.Body)
		assert.GreaterOrEqual(t, held, least, target)
		assert.LessOrEqual(t, held, 3*least, target)
		assert.Zero(t, taken(s.answers), "afterwards")
	}
}
