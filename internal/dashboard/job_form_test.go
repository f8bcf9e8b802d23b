package dashboard_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/access"
	"learninglog/internal/caller"
	"learninglog/internal/dashboard"
	"learninglog/internal/pgtest"
	"learninglog/internal/postgres"
	"learninglog/internal/problem"
	"learninglog/rollup/rebuild"
)

func TestOneOperatorLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	jobs, err := rebuild.NewJobs(pgtest.Pool(t), rebuild.Config{Schema: postgres.RiverSchema, Logger: logger})
	require.NoError(t, err)
	pages, err := dashboard.New(dashboard.Config{
		Jobs:           jobs,
		Problems:       problem.NewTable(postgres.Unavailable, func() time.Duration { return time.Second }, logger),
		RequestTimeout: time.Minute,
		Logger:         logger,
	})
	require.NoError(t, err)
	request := func(visitor *access.Identity) int {
		form := url.Values{"user": {uuid.NewString()}}
		request := httptest.NewRequestWithContext(access.With(t.Context(), visitor), http.MethodPost, "/admin/rebuilds", strings.NewReader(form.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer := httptest.NewRecorder()
		pages.RequestRebuild.ServeHTTP(answer, request)
		return answer.Code
	}
	key := func(name string) *access.Identity {
		return &access.Identity{Scopes: []access.Scope{access.Rebuilds}, Caller: caller.Named(name)}
	}

	for range rebuild.MaxUnfinishedEach {
		require.Equal(t, http.StatusSeeOther, request(key("key 1")))
	}

	assert.Equal(t, http.StatusServiceUnavailable, request(key("key 1")))
	assert.Equal(t, http.StatusSeeOther, request(key("key 2")))
	for range rebuild.MaxUnfinishedEach + 1 {
		require.Equal(t, http.StatusSeeOther, request(nil), "where nobody is asked, nobody has a share")
	}
}
