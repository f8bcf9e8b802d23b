package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// daysAgo is the field of a log that is so old.
func daysAgo(days int) string {
	return fmt.Sprintf(`"timestamp":"%s"`, time.Now().UTC().AddDate(0, 0, -days).Format(time.RFC3339))
}

// refuseOlder says that logs that are older than 30 days have been refused for a while, so
// that a purge needn't wait until all processes do.
func refuseOlder(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `
		INSERT INTO learning_log_horizon (refused_before, raised_at)
		VALUES (now() - interval '30 days', now() - interval '1 hour')`)
	require.NoError(t, err)
}

func TestALogThatIsTooOldIsRefusedInEveryWayIn(t *testing.T) {
	t.Parallel()
	s := serve(t, "--keep-logs=30d", "--database-url", pgtest.URL(t))
	user := uuid.New()
	recent := newLog(user, 1, daysAgo(29))
	old := newLog(user, 2, daysAgo(31))
	first := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", logWithID(first, user, 4))

	single := s.mustCall(http.StatusUnprocessableEntity, http.MethodPost, "/v1/learning-logs", old).problem(t)
	assert.Equal(t, "/problems/too-old", single.Type)
	assert.Equal(t, "body.timestamp", single.Errors[0].Location)
	assert.Contains(t, string(s.get(single.Type).body), "The log is too old")
	replacing := newLog(user, 2, daysAgo(31), `"replaces":"`+first.String()+`"`)
	assert.Equal(t, "/problems/too-old", s.mustCall(http.StatusUnprocessableEntity, http.MethodPost, "/v1/learning-logs", replacing).problem(t).Type)

	var array struct {
		Recorded int `json:"recorded"`
		TooOld   int `json:"too_old"`
		Outcomes []struct {
			Outcome   string
			Retryable bool
			Errors    []struct{ Location string }
		}
	}
	s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs/batch", "["+recent+","+old+"]").decode(t, &array)
	assert.Equal(t, []int{1, 1}, []int{array.Recorded, array.TooOld})
	assert.Equal(t, "too_old", array.Outcomes[1].Outcome)
	assert.False(t, array.Outcomes[1].Retryable)
	assert.Equal(t, "body[1].timestamp", array.Outcomes[1].Errors[0].Location)

	stream, err := s.send(http.MethodPost, "/v1/learning-logs/batch", ndjson, recent+"\n"+old+"\n")
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(stream.body)), "\n")
	require.Len(t, lines, 2)
	assert.Contains(t, lines[0], `"outcome":"already_recorded"`)
	assert.Contains(t, lines[1], `"outcome":"too_old"`)

	path := writeFile(t, "logs.ndjson", recent+"\n"+old+"\n")
	stdout, stderr, status := run(t, "import", "--url", s.base, path)
	assert.Equal(t, 1, status, stderr)
	assert.Contains(t, stdout, "too old")
	rejects := readRejects(t, path+".rejects.ndjson")
	require.Len(t, rejects, 1)
	assert.Equal(t, "too_old", rejects[0].Outcome)

	words, entries := s.total(user)
	assert.Equal(t, []int{5, 2}, []int{words, entries}, "and what was to be replaced is as it was")
	s.awaitSeries(series{`learninglog_logs_total{outcome="too_old"}`: 5})
}

// A learner who has nothing but sealed days, and one who has logs besides, get the same
// answers as before.
func TestBehindTheHorizonEverythingGoesOn(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	s := serve(t, "--database-url", databaseURL)
	other := serve(t, "--database-url", databaseURL)
	gone, both := uuid.New(), uuid.New()
	oldID := uuid.New()
	old := logWithID(oldID, gone, 5, daysAgo(40), `"utc_offset":"+09:00"`)
	for _, log := range []string{
		old, newLog(gone, 7, daysAgo(41)), newLog(both, 11, daysAgo(40)), newLog(both, 13, daysAgo(2)), newLog(both, 17, daysAgo(400)),
	} {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", log)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	ask := func() (answers []string) {
		for _, user := range []uuid.UUID{gone, both} {
			for _, path := range []string{
				"/summary?from=2024-01-01&to=" + today, "/summary?granularity=week&from=2024-01-01&to=" + today, "/summary?granularity=total",
				"/streak?time_zone=UTC", "/activity?time_zone=UTC",
			} {
				answers = append(answers, string(s.get("/v1/users/"+user.String()+path).body))
			}
		}
		return answers
	}
	before := ask()
	refuseOlder(t, pool)

	stdout, stderr, status := run(t, "purge", "--older-than=30d", "--dry-run", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "A purge would delete 4 logs from before ")
	assert.Contains(t, stdout, "Nothing was changed.")
	stdout, stderr, status = run(t, "purge", "--older-than=30d", "--database-url", databaseURL)
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "Purged 4 logs from before ")

	assert.Equal(t, before, ask())
	for _, replica := range []*service{s, other} {
		var list struct {
			Logs         []any      `json:"learning_logs"`
			PurgedBefore *time.Time `json:"purged_before"`
		}
		require.Eventually(t, func() bool {
			replica.get("/v1/users/"+gone.String()+"/learning-logs").decode(t, &list)
			return list.PurgedBefore != nil
		}, eventually, often, "within seconds")
		assert.Empty(t, list.Logs)
		assert.WithinDuration(t, time.Now().AddDate(0, 0, -31), *list.PurgedBefore, time.Hour)
		late := replica.mustCall(http.StatusUnprocessableEntity, http.MethodPost, "/v1/learning-logs", old).problem(t)
		assert.Equal(t, "/problems/too-old", late.Type)
	}
	assert.NotContains(t, string(s.get("/v1/users/"+both.String()+"/learning-logs?from="+today).body), "purged_before")
	one := "/v1/users/" + gone.String() + "/learning-logs/" + oldID.String()
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		assert.Contains(t, s.mustCall(http.StatusNotFound, method, one, "").problem(t).Detail, "were purged", method)
	}
	page := string(s.get("/users/" + gone.String() + "?from=2024-01-01&to=" + today + "&by=month").body)
	assert.Contains(t, page, "are not kept")
	assert.NotContains(t, page, "No log yet")
	assert.Equal(t, http.StatusOK, s.get("/").status)

	_, stderr, status = run(t, "verify", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	_, err := pool.Exec(t.Context(), `TRUNCATE learning_log_aggregates`)
	require.NoError(t, err)
	_, stderr, status = run(t, "rebuild", "--wait", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	assert.Equal(t, before, ask(), "made from nothing")

	stdout, stderr, status = run(t, "rezone", "--time-zone=Asia/Tokyo", "--wait", "--database-url", databaseURL)
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "were purged: their days stay as they are.")
	stdout, stderr, status = run(t, "migrate", "down", "--to=5", "--database-url", databaseURL)
	assert.Equal(t, 2, status, stdout)
	assert.Contains(t, stderr, "sealed days")
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestAPurgeLeavesDriftAndSaysSo(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 5, daysAgo(40)))
	_, err := pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 6 WHERE granularity = 'day'`)
	require.NoError(t, err)
	refuseOlder(t, pool)

	stdout, stderr, status := run(t, "purge", "--older-than=30d", "--database-url", databaseURL)

	assert.Equal(t, 1, status, stderr)
	assert.Contains(t, stdout, "Purged 0 logs")
	assert.Contains(t, stdout, "Drift in 1 row of the rollups. Their learners are left as they are.")
	assert.Contains(t, stdout, "rebuild --wait")
	assert.Contains(t, stdout, user.String())
}

func TestAPurgeOverHTTPAndAtTheOperatorsPage(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 5, daysAgo(40)))
	refuseOlder(t, pool)

	var requested struct {
		ID            int64
		OlderThanDays int  `json:"purge_older_than_days"`
		DryRun        bool `json:"dry_run"`
	}
	answered := s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/purges", `{"older_than_days":30,"dry_run":true}`)
	answered.decode(t, &requested)
	assert.Equal(t, 30, requested.OlderThanDays)
	assert.True(t, requested.DryRun)
	var counted struct {
		State    string
		Progress struct {
			LogsPurged   int        `json:"logs_purged"`
			BytesPurged  int        `json:"bytes_purged"`
			PurgedBefore *time.Time `json:"purged_before"`
		}
	}
	require.Eventually(t, func() bool {
		s.get(answered.header.Get("Location")).decode(t, &counted)
		return counted.State == "completed"
	}, eventually, often)
	assert.Equal(t, 1, counted.Progress.LogsPurged)
	assert.Positive(t, counted.Progress.BytesPurged)
	assert.NotNil(t, counted.Progress.PurgedBefore)

	form, err := s.send(http.MethodPost, "/admin/purges", "application/x-www-form-urlencoded", "days=0&action=purge")
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnprocessableEntity, form.status)
	assert.Contains(t, string(form.body), "The age must be from 1 to 36500 days.")
	form, err = s.send(http.MethodPost, "/admin/purges", "application/x-www-form-urlencoded", "days=30&action=purge")
	require.NoError(t, err)
	assert.Contains(t, string(form.body), "purge of logs that are older than 30 days") // after the redirect

	require.Eventually(t, func() bool {
		return strings.Contains(string(s.get("/admin").body), `logs purged: <span class="logs-purged">1</span>`)
	}, eventually, often)
	words, entries := s.sums(user, "?granularity=total")
	assert.Equal(t, []int{5, 1}, []int{words, entries})
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestKeepLogsPurgesByItself(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	first := serve(t, "--database-url", databaseURL)
	first.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(uuid.New(), 5, daysAgo(40)))
	first.stop()
	refuseOlder(t, pool)

	serve(t, "--keep-logs=30d", "--database-url", databaseURL)

	require.Eventually(t, func() bool {
		var logs, sealed int
		err := pool.QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM learning_log), (SELECT count(*) FROM learning_log_sealed_days)`).Scan(&logs, &sealed)
		return err == nil && logs == 0 && sealed == 1
	}, eventually, often)
	assert.Empty(t, pgtest.Drift(t, pool))
}

func TestHowLongLogsAreKeptIsChecked(t *testing.T) {
	t.Parallel()
	for _, arguments := range [][]string{
		{"serve", "--keep-logs=12h"},
		{"serve", "--keep-logs=36h"},
		{"serve", "--keep-logs=soon"},
		{"purge"},
		{"purge", "--older-than=0d"},
		{"purge", "--older-than=-1d"},
		{"purge", "--older-than=25h"},
	} {
		_, stderr, status := run(t, arguments...)
		assert.Equal(t, 2, status, "%v", arguments)
		assert.NotEmpty(t, stderr)
	}
}
