package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/embeddedpg"
	"learninglog/internal/pgtest"
)

// verification is a verification as in /v1/verifications.
type verification struct {
	Verification string
	RebuildID    int64     `json:"rebuild_id"`
	Began        time.Time `json:"began_at"`
	Finished     time.Time `json:"finished_at"`
	Users, Logs  int
	Drifted      int `json:"rows_drifted"`
	Repaired     int `json:"rows_repaired"`
}

func (s *service) verifications() []verification {
	s.t.Helper()
	var list struct{ Verifications []verification }
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/verifications", "").decode(s.t, &list)
	return list.Verifications
}

// awaitVerification returns the latest verification as soon as condition holds.
func (s *service) awaitVerification(what string, condition func(verification) bool) (last verification) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		all := s.verifications()
		if len(all) > 0 {
			last = all[0]
		}
		return len(all) > 0 && condition(last)
	}, eventually, often, what)
	return last
}

// What an operator sees of the routines, on every replica.
func TestRoutineVerification(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL, "--verify-every=1s")
	other := serve(t, "--database-url", databaseURL, "--verify-every=1s")
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	healthy := s.awaitVerification("it comes around to the user", func(v verification) bool { return v.Logs == 1 })
	assert.Equal(t, "routine", healthy.Verification)
	assert.Equal(t, []int{1, 0, 0}, []int{healthy.Users, healthy.Drifted, healthy.Repaired})
	s.awaitSeries(series{`learninglog_drift_rows{verification="routine"}`: 0})

	execute(t, databaseURL, zeroTotals)

	found := s.awaitVerification("it finds the drift", func(v verification) bool { return v.Drifted > 0 })
	assert.Equal(t, []int{1, 1, 3, 0}, []int{found.Users, found.Logs, found.Drifted, found.Repaired})
	assert.False(t, found.Finished.Before(found.Began))
	for _, replica := range []*service{s, other} {
		replica.awaitSeries(series{
			`learninglog_drift_rows{verification="routine"}`:     3,
			`learninglog_verified_users{verification="routine"}`: 1,
			`learninglog_verified_logs{verification="routine"}`:  1,
		})
		verifiedAt := replica.scrape()[`learninglog_verified_timestamp_seconds{verification="routine"}`]
		assert.InDelta(t, float64(time.Now().Unix()), verifiedAt, 30)
	}
	warning := `level=WARN msg="routine verification done" .*drifted=3 repaired=0 .*` + user.String()
	assert.True(t, s.log.matches(warning) || other.log.matches(warning), "the one that found it says so in its log")
	var list struct {
		Rebuilds []struct {
			Routine bool
			DryRun  bool `json:"dry_run"`
		}
	}
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds", "").decode(t, &list)
	require.NotEmpty(t, list.Rebuilds)
	for _, rebuild := range list.Rebuilds {
		assert.True(t, rebuild.Routine && rebuild.DryRun)
	}
	words, _ := s.total(user)
	assert.Zero(t, words, "it repairs nothing unless it is told to")

	s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "")
	s.awaitSeries(series{
		`learninglog_drift_rows{verification="routine"}`:    0,
		`learninglog_drift_rows{verification="everything"}`: 0,
	})
}

func TestRoutineVerificationThatRepairs(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	user := uuid.New()
	s := serve(t, "--database-url", databaseURL)
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	execute(t, databaseURL, zeroTotals)
	assert.Empty(t, s.verifications(), "--verify-every=0 verifies nothing")
	s.stop()

	s = serve(t, "--database-url", databaseURL, "--verify-every=1h", "--verify-repairs")

	found := s.awaitVerification("it begins at once", func(verification) bool { return true })
	assert.Equal(t, []int{3, 3}, []int{found.Drifted, found.Repaired})
	words, _ := s.total(user)
	assert.Equal(t, 12, words)
	s.awaitSeries(series{`learninglog_drift_rows{verification="routine"}`: 0})
}

// A routine that a crash interrupts continues by itself where it stopped.
func TestRoutineVerificationSurvivesACrash(t *testing.T) {
	t.Parallel()
	const users = 60_000 // this takes three seconds at the pace of a routine
	dir := dataDir(t)
	s := serve(t, "--data-dir", dir)
	execute(t, embeddedpg.URL(dir), `
		INSERT INTO learning_log (request_id, user_id, word_count, "timestamp")
		SELECT gen_random_uuid(), gen_random_uuid(), 1, '2026-11-22Z' FROM generate_series(1, 60000)`)
	s.stop()
	s = serve(t, "--data-dir", dir, "--verify-every=1h")
	type list struct {
		Rebuilds []struct {
			ID       int64
			State    string
			Progress struct {
				Users int `json:"users_done"`
			}
		}
	}
	watch := func() (got list) {
		s.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds", "").decode(t, &got)
		return got
	}
	var running list
	require.Eventually(t, func() bool {
		running = watch()
		return len(running.Rebuilds) == 1 && running.Rebuilds[0].Progress.Users > 0
	}, eventually, often)
	require.Equal(t, "running", running.Rebuilds[0].State)
	s.kill()

	s = serve(t, "--data-dir", dir, "--verify-every=1h")

	require.GreaterOrEqual(t, watch().Rebuilds[0].Progress.Users, running.Rebuilds[0].Progress.Users)
	await(t, "it ends", func() (int, bool) {
		return watch().Rebuilds[0].Progress.Users, len(s.verifications()) == 1
	})
	found := s.verifications()[0]
	assert.Equal(t, running.Rebuilds[0].ID, found.RebuildID)
	assert.Equal(t, []int{users, users, 3 * users}, []int{found.Users, found.Logs, found.Drifted}, "everybody once")
	assert.Len(t, watch().Rebuilds, 1, "no other began meanwhile")
}

// Verifications of everything are reported too, whichever process works on them.
func TestVerifyOfEverythingIsTold(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	stdout, _, status := run(t, "verify", "--database-url", databaseURL)
	require.Zero(t, status, stdout)
	s := serve(t, "--database-url", databaseURL)
	all := s.verifications()
	require.Len(t, all, 1)
	assert.Equal(t, "everything", all[0].Verification)
	s.awaitSeries(series{`learninglog_drift_rows{verification="everything"}`: 0})

	for _, help := range []string{"--verify-every=1ms", "--verify-sample=-1"} {
		_, stderr, status := run(t, "serve", "--addr=127.0.0.1:0", "--database-url", databaseURL, help)
		assert.Equal(t, 2, status)
		assert.Contains(t, stderr, strings.Split(help, "=")[0])
	}
}
