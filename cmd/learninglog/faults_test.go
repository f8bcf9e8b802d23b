package main_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

// The service's connection to the database breaks at any stage. A client that gets
// no acknowledgement posts its log again until it does, and the log is counted once.
func TestAConnectionThatBreaksAtAnyStage(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	p := newProxy(t, databaseURL)
	s := serve(t, "--database-url", p.url(), "--request-timeout", "2s")
	t.Cleanup(p.disconnect) // otherwise stopping waits for silent connections
	user, posted := uuid.New(), 0
	postUntilDone := func() (answers []answer) {
		posted++
		log := newLog(user, 1)
		require.Eventually(t, func() bool {
			answer := s.mustAnswer(http.MethodPost, "/v1/learning-logs", log)
			answers = append(answers, answer)
			return answer.status != http.StatusServiceUnavailable
		}, eventually, often, "the service doesn't recover")
		return answers
	}
	for _, b := range breakages() {
		postUntilDone() // so that there are connections
		p.breakNext(b)

		answers := postUntilDone()

		last := answers[len(answers)-1]
		for _, answer := range answers[:len(answers)-1] {
			assert.NotEmpty(t, answer.header.Get("Retry-After"), "the client is to post again")
		}
		if b.during == writing {
			assert.Greater(t, len(answers), 1, "broken %s: a log is acknowledged that can't be known to be recorded", b.name)
		}
		if b.commits {
			assert.Equal(t, http.StatusConflict, last.status, "broken %s: %s", b.name, last.body)
			assert.Equal(t, "/problems/already-recorded", last.problem(t).Type)
		} else {
			assert.Equal(t, http.StatusCreated, last.status, "broken %s: %s", b.name, last.body)
		}
		require.Eventually(t, p.broken, eventually, often, "no connection broke %s", b.name)
		words, entries := s.total(user)
		require.Equal(t, []int{posted, posted}, []int{words, entries}, "broken %s: every log is counted once", b.name)
	}
	assert.Empty(t, pgtest.Drift(t, pgtest.Open(t, databaseURL)))
}

// The embedded database ends together with its service.
func TestAServiceIsKilledWithItsDatabase(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	databaseURL := embeddedpg.URL(dir)
	var s atomic.Pointer[service]
	s.Store(serve(t, "--data-dir", dir))
	l := newLoad(t, func() string { return s.Load().base })
	l.start()
	for range 2 {
		l.waitForMore(10)
		s.Load().kill()
		s.Store(serve(t, "--data-dir", dir))
		l.waitForMore(10)
		l.check(databaseURL).assertNothingWrong(t)
	}
	l.stop()
	l.assertSummaries(s.Load(), databaseURL)
}
