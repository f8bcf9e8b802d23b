package main_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// days returns the dates on which a user has words, and how many.
func (s *service) days(user uuid.UUID, from, to string) map[string]int {
	s.t.Helper()
	var summary struct {
		Periods []struct {
			Period string
			Words  int `json:"total_word_count"`
		}
	}
	s.mustCall(http.StatusOK, http.MethodGet,
		fmt.Sprintf("/v1/users/%s/summary?fill=false&from=%s&to=%s", user, from, to), "").decode(s.t, &summary)
	days := make(map[string]int)
	for _, period := range summary.Periods {
		days[period.Period] = period.Words
	}
	return days
}

// offsetOf returns the offset of a log in an answer.
func (a answer) offset(t testing.TB) string {
	t.Helper()
	var log struct {
		Offset string `json:"utc_offset"`
	}
	a.decode(t, &log)
	return log.Offset
}

func TestALogCountsOnTheDateOfTheLearnersClock(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	for _, test := range []struct{ name, fields, offset, date string }{
		{"without a zone, UTC's", `"timestamp":"2024-01-10T00:30:00Z"`, "+00:00", "2024-01-10"},
		{"whatever the offset of the timestamp", `"timestamp":"2024-01-10T01:00:00+11:00"`, "+00:00", "2024-01-09"},
		{"by an offset", `"timestamp":"2024-01-10T00:30:00Z","utc_offset":"-03:30"`, "-03:30", "2024-01-09"},
		{"by the largest offset", `"timestamp":"2024-01-10T10:00:00Z","utc_offset":"+14:00"`, "+14:00", "2024-01-11"},
		{"by an offset of nothing", `"timestamp":"2024-01-10T00:30:00Z","utc_offset":"Z"`, "+00:00", "2024-01-10"},
		{"by a zone", `"timestamp":"2024-01-10T15:30:00Z","time_zone":"Asia/Tokyo"`, "+09:00", "2024-01-11"},
		{"by a zone of a quarter", `"timestamp":"2024-01-10T18:15:00Z","time_zone":"Asia/Kathmandu"`, "+05:45", "2024-01-11"},
		{"by a zone in winter", `"timestamp":"2024-01-10T04:30:00Z","time_zone":"America/New_York"`, "-05:00", "2024-01-09"},
		{"by a zone in summer", `"timestamp":"2024-07-10T04:30:00Z","time_zone":"America/New_York"`, "-04:00", "2024-07-10"},
		{"by the zone rather than the offset", `"timestamp":"2024-01-10T15:30:00Z","time_zone":"Asia/Tokyo","utc_offset":"-12:00"`, "+09:00", "2024-01-11"},
	} {
		user := uuid.New()
		posted := s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12, test.fields))
		assert.Equal(t, test.offset, posted.offset(t), test.name)
		assert.Equal(t, test.offset, s.get(posted.header.Get("Location")).offset(t), test.name)
		assert.Equal(t, map[string]int{test.date: 12}, s.days(user, "2023-12-01", "2024-12-31"), test.name)
		for path, want := range map[string]string{
			"/learning-logs?from=" + test.date + "&to=" + test.date: `"word_count":12`,
			"/activity?year=2024": `"date":"` + test.date + `"`,
			"/streak":             `"last_day":"` + test.date + `"`,
			"/summary?format=csv&fill=false&from=2023-12-01&to=2024-12-31": "\n" + test.date + ",12,1,12\r\n",
		} {
			assert.Contains(t, string(s.get("/v1/users/"+user.String()+path).body), want, "%s: %s", test.name, path)
		}
	}
	stdout, stderr, status := run(t, "verify", "--database-url", databaseURL)
	assert.Zero(t, status, "%s%s", stdout, stderr)
}

// A learner travels, and posts everything when the plane has landed. A log sent again
// from another place is still the same log.
func TestAnotherZoneMakesNoOtherLog(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()
	at := func(zone string) string {
		return logWithID(id, user, 12, `"timestamp":"2024-01-10T15:30:00Z"`, `"time_zone":"`+zone+`"`)
	}
	posted := s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", at("Asia/Tokyo"))

	again := s.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", at("America/Los_Angeles")).problem(t)
	returned := s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs?on_duplicate=return", at("Europe/Berlin"))

	assert.Equal(t, "/problems/already-recorded", again.Type)
	assert.JSONEq(t, string(posted.body), string(returned.body), "it shows the one that is recorded")
	assert.Equal(t, map[string]int{"2024-01-11": 12}, s.days(user, "2024-01-01", "2024-01-31"))
}

func TestServeTimeZoneIsForLogsWithoutOne(t *testing.T) {
	t.Parallel()
	databaseURL, user := pgtest.URL(t), uuid.New()
	const late = `"timestamp":"2024-01-10T15:30:00Z"`
	tokyo := serve(t, "--database-url", databaseURL, "--time-zone", "Asia/Tokyo")
	posted := tokyo.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1, late))
	assert.Equal(t, "+09:00", posted.offset(t))
	tokyo.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 10, late, `"utc_offset":"+00:00"`))
	assert.Equal(t, map[string]int{"2024-01-11": 1, "2024-01-10": 10}, tokyo.days(user, "2024-01-01", "2024-01-31"))
	tokyo.stop()

	berlin, err := tryServeIn(t, append(environment(), "LEARNINGLOG_TIME_ZONE=Europe/Berlin"), "--database-url", databaseURL)
	require.NoError(t, err)
	assert.Equal(t, map[string]int{"2024-01-11": 1, "2024-01-10": 10}, berlin.days(user, "2024-01-01", "2024-01-31"),
		"another zone changes nothing that is recorded")
	posted = berlin.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 100, late))
	assert.Equal(t, "+01:00", posted.offset(t))
	assert.Equal(t, map[string]int{"2024-01-11": 1, "2024-01-10": 110}, berlin.days(user, "2024-01-01", "2024-01-31"))
	stdout, stderr, status := run(t, "verify", "--database-url", databaseURL)
	assert.Zero(t, status, "%s%s", stdout, stderr)
}

func TestServeTimeZoneInTheEnvironmentIsChecked(t *testing.T) {
	t.Parallel()
	command := exec.Command(program, "serve", "--addr", "127.0.0.1:0", "--database-url", pgtest.URL(t))
	command.Env = append(environment(), "LEARNINGLOG_TIME_ZONE=CEST")

	output, err := command.CombinedOutput()

	require.Error(t, err)
	assert.Equal(t, 2, command.ProcessState.ExitCode())
	assert.Contains(t, string(output), `must be an IANA time zone such as Asia/Tokyo, or UTC, not "CEST"`)
}

// At every instant, it is not the same day everywhere on Earth between these two.
func TestTodayIsTheLearnersOwn(t *testing.T) {
	t.Parallel()
	const first, last = "Pacific/Kiritimati", "Etc/GMT+12"
	s := serve(t, "--database-url", pgtest.URL(t), "--time-zone", last)
	user := uuid.New()
	path := "/v1/users/" + user.String()
	assertToday := func(zone, query string) {
		t.Helper()
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for _, read := range []struct{ path, field string }{{"/summary", "to"}, {"/streak", "today"}} {
			before := time.Now().In(location)
			var body map[string]any
			s.mustCall(http.StatusOK, http.MethodGet, path+read.path+query, "").decode(t, &body)
			after := time.Now().In(location)
			assert.Contains(t, []any{before.Format(time.DateOnly), after.Format(time.DateOnly)}, body[read.field],
				"%s%s in %s", read.path, query, zone)
		}
		before := time.Now().In(location)
		var activity struct{ Year int }
		s.mustCall(http.StatusOK, http.MethodGet, path+"/activity"+query, "").decode(t, &activity)
		assert.Contains(t, []int{before.Year(), time.Now().In(location).Year()}, activity.Year)
	}

	assertToday(last, "") // the service's, as nothing is known
	assertToday(first, "?time_zone="+first)

	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12, `"time_zone":"`+first+`"`))
	assertToday(first, "") // that of the latest log
	assertToday(last, "?time_zone=Etc/GMT%2B12")
	words, entries := s.total(user)
	assert.Equal(t, []int{12, 1}, []int{words, entries}, "what was posted now is in the days until today")

	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12, `"time_zone":"`+last+`"`))
	assertToday(last, "")
}
