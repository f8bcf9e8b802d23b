package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
	"learninglog/internal/pgtest"
	"learninglog/query"
)

// service is the handler over a database of its own.
type service struct {
	t       *testing.T
	handler http.Handler
	pool    *pgxpool.Pool
}

// newService returns a service for which learners are in a zone of whom no other is known.
func newService(t *testing.T, zone *time.Location) service {
	t.Helper()
	pool := pgtest.Pool(t)
	config := newConfig(nil)
	config.Recorder = command.NewRecorder(pool, command.Config{Nodes: pgtest.Nodes(t, pool), Limits: config.Limits, Zone: zone})
	config.Reader = query.NewReader(pool, zone)
	config.RequestTimeout = time.Minute
	t.Cleanup(func() { assert.NoError(t, config.Recorder.Close(context.Background())) })
	handler, err := New(config)
	require.NoError(t, err)
	return service{t, handler, pool}
}

// call sends a request, which must be answered with a status.
func (s service) call(status int, method, target, contentType, body string) *httptest.ResponseRecorder {
	s.t.Helper()
	answer := serve(s.handler, method, target, contentType, strings.NewReader(body))
	require.Equal(s.t, status, answer.Code, "%s %s %s: %s", method, target, body, answer.Body)
	return answer
}

// get reads an answer, as T.
func get[T any](s service, target string) T {
	s.t.Helper()
	return decoded[T](s.t, s.call(http.StatusOK, http.MethodGet, target, "", "").Body.Bytes())
}

func decoded[T any](t *testing.T, text []byte) (value T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, &value), "%s", text)
	return value
}

// newLog returns a log of twelve words. more are its other fields, as JSON.
func newLog(user, id uuid.UUID, more ...string) string {
	fields := append([]string{fmt.Sprintf(`"request_id":"%s","user_id":"%s","word_count":12`, id, user)}, more...)
	return "{" + strings.Join(fields, ",") + "}"
}

func pathOf(user uuid.UUID, path string) string { return "/v1/users/" + user.String() + path }

// doors are the ways to post a log. Each returns its outcome.
func doors() map[string]func(s service, path, log string) BatchOutcome {
	return map[string]func(s service, path, log string) BatchOutcome{
		"an array": func(s service, path, log string) BatchOutcome {
			s.t.Helper()
			answer := s.call(http.StatusOK, http.MethodPost, path, mediaJSON, "["+log+"]")
			outcomes := decoded[BatchOutcomes](s.t, answer.Body.Bytes()).Outcomes
			require.Len(s.t, outcomes, 1)
			return outcomes[0]
		},
		"NDJSON": func(s service, path, log string) BatchOutcome {
			s.t.Helper()
			answer := s.call(http.StatusOK, http.MethodPost, path, mediaNDJSON, log+"\n")
			return decoded[BatchOutcome](s.t, answer.Body.Bytes())
		},
	}
}

func newLogOfAnybody() string { return newLog(uuid.New(), uuid.New()) }

// newHTTPServer returns the address at which the handler is served.
func newHTTPServer(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}
