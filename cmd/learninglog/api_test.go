package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

type problem struct {
	Type        string
	Title       string
	Status      int
	Detail      string
	Errors      []struct{ Location, Message string }
	LearningLog *struct {
		RequestID string `json:"request_id"`
		WordCount int    `json:"word_count"`
	} `json:"learning_log"`
}

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), "%s", a.body)
	var p problem
	a.decode(t, &p)
	require.Equal(t, a.status, p.Status)
	return p
}

func TestRecordARead(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()
	log := logWithID(id, user, 12, `"timestamp":"2025-11-22T08:30:00+01:00"`)

	posted := s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", log)
	path := fmt.Sprintf("/v1/users/%s/learning-logs/%s", user, id)
	assert.Equal(t, path, posted.header.Get("Location"))
	assert.Contains(t, string(posted.body), `"timestamp":"2025-11-22T07:30:00Z"`)
	assert.JSONEq(t, string(posted.body), string(s.mustCall(http.StatusOK, http.MethodGet, path, "").body))

	again := s.mustCall(http.StatusConflict, http.MethodPost, "/v1/learning-logs", log).problem(t)
	assert.Equal(t, "/problems/already-recorded", again.Type)
	assert.Equal(t, id.String(), again.LearningLog.RequestID)

	returned := s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs?on_duplicate=return", log)
	assert.JSONEq(t, string(posted.body), string(returned.body))

	for _, target := range []string{"/v1/learning-logs", "/v1/learning-logs?on_duplicate=return"} {
		reused := s.mustCall(http.StatusConflict, http.MethodPost, target, logWithID(id, user, 13)).problem(t)
		assert.Equal(t, "/problems/request-id-reused", reused.Type)
		assert.Equal(t, 12, reused.LearningLog.WordCount)

		others := s.mustCall(http.StatusConflict, http.MethodPost, target, logWithID(id, uuid.New(), 12)).problem(t)
		assert.Equal(t, "/problems/request-id-reused", others.Type)
		assert.Nil(t, others.LearningLog, "another user's log is not shown")
	}

	summary := s.mustCall(http.StatusOK, http.MethodGet,
		"/v1/users/"+user.String()+"/summary?from=2025-11-21&to=2025-11-22", "")
	assert.JSONEq(t, fmt.Sprintf(`{
		"user_id": "%s", "granularity": "day",
		"from": "2025-11-21", "to": "2025-11-22",
		"total_word_count": 12, "entry_count": 1, "average_words_learned": 12,
		"periods": [
			{"period": "2025-11-21", "total_word_count": 0, "entry_count": 0, "average_words_learned": 0},
			{"period": "2025-11-22", "total_word_count": 12, "entry_count": 1, "average_words_learned": 12}
		]}`, user), string(summary.body))
}

func TestSummaryDefaults(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	for granularity, periods := range map[string]int{"": 30, "day": 30, "week": 12, "month": 12} {
		var summary struct {
			Periods []struct {
				Words int `json:"total_word_count"`
			}
		}
		s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/summary?granularity="+granularity, "").decode(t, &summary)
		require.Len(t, summary.Periods, periods, granularity)
		assert.Equal(t, 12, summary.Periods[periods-1].Words, "the last one has what was posted now")
	}
	var sparse struct{ Periods []any }
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/summary?fill=false", "").decode(t, &sparse)
	assert.Len(t, sparse.Periods, 1)
}

func TestIdenticalPostsAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	log := newLog(user, 12)
	statuses := make([]int, 16)
	var clients sync.WaitGroup
	for i := range statuses {
		clients.Go(func() {
			got, err := s.call(http.MethodPost, "/v1/learning-logs", log)
			if assert.NoError(t, err) {
				statuses[i] = got.status
			}
		})
	}
	clients.Wait()
	counts := make(map[int]int)
	for _, status := range statuses {
		counts[status]++
	}
	assert.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 15}, counts)
	words, entries := s.total(user)
	assert.Equal(t, []int{12, 1}, []int{words, entries})
}

type outcomes struct {
	Recorded        int
	AlreadyRecorded int `json:"already_recorded"`
	RequestIDReused int `json:"request_id_reused"`
	Invalid         int
	Outcomes        []struct {
		Index   int
		Outcome string
		Errors  []struct{ Location, Message string }
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	first, second := uuid.New(), uuid.New()
	entries := []string{
		logWithID(first, user, 1),
		logWithID(first, user, 1),
		logWithID(first, user, 2),
		`{"request_id":"nonsense"}`,
		logWithID(second, user, 1_000_001),
		`"not an object"`,
		logWithID(second, user, 5),
	}
	want := []string{"recorded", "already_recorded", "request_id_reused", "invalid", "invalid", "invalid", "recorded"}

	var array outcomes
	s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs/batch", "["+strings.Join(entries, ",")+"]").decode(t, &array)
	assert.Equal(t, []int{2, 1, 1, 3}, []int{array.Recorded, array.AlreadyRecorded, array.RequestIDReused, array.Invalid})
	require.Len(t, array.Outcomes, len(want))
	for i, outcome := range array.Outcomes {
		assert.Equal(t, i, outcome.Index)
		assert.Equal(t, want[i], outcome.Outcome, "entry %d", i)
	}
	assert.Equal(t, "body[4].word_count", array.Outcomes[4].Errors[0].Location)

	words, count := s.total(user)
	assert.Equal(t, []int{6, 2}, []int{words, count})

	// The same logs again, as NDJSON with a broken line and an empty one.
	lines, err := s.send(http.MethodPost, "/v1/learning-logs/batch", "application/x-ndjson",
		strings.Join(entries, "\n")+"\n\n{broken\n")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, lines.status, "%s", lines.body)
	assert.Equal(t, "application/x-ndjson", lines.header.Get("Content-Type"))
	answers := strings.Split(strings.TrimSpace(string(lines.body)), "\n")
	require.Len(t, answers, len(entries)+1)
	assert.Contains(t, answers[0], `"already_recorded"`)
	assert.Contains(t, answers[len(entries)], `"invalid"`)
	words, count = s.total(user)
	assert.Equal(t, []int{6, 2}, []int{words, count}, "nothing was counted twice")
}

func TestBatchOfTenThousand(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	entries := make([]string, 10_000)
	for i := range entries {
		entries[i] = newLog(user, 1)
	}
	var got outcomes
	s.mustCall(http.StatusOK, http.MethodPost, "/v1/learning-logs/batch", "["+strings.Join(entries, ",")+"]").decode(t, &got)
	assert.Equal(t, len(entries), got.Recorded)
	words, _ := s.total(user)
	assert.Equal(t, len(entries), words)

	refused := s.mustCall(http.StatusUnprocessableEntity, http.MethodPost, "/v1/learning-logs/batch",
		"["+strings.Join(slices.Concat(entries, []string{newLog(user, 1)}), ",")+"]").problem(t)
	assert.Contains(t, refused.Errors[0].Message, "at most 10000")
}

func TestListInPages(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	for day := 1; day <= 5; day++ {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs",
			newLog(user, day, fmt.Sprintf(`"timestamp":"2025-11-%02dT08:00:00Z"`, day)))
	}
	var words []int
	path := "/v1/users/" + user.String() + "/learning-logs?from=2025-11-02&to=2025-11-05&limit=2"
	for path != "" {
		got := s.mustCall(http.StatusOK, http.MethodGet, path, "")
		var page struct {
			Logs []struct {
				Words int `json:"word_count"`
			} `json:"learning_logs"`
			Next string `json:"next_cursor"`
		}
		got.decode(t, &page)
		for _, log := range page.Logs {
			words = append(words, log.Words)
		}
		link := got.header.Get("Link")
		assert.Equal(t, page.Next == "", link == "")
		path, _, _ = strings.Cut(strings.TrimPrefix(link, "<"), ">")
	}
	assert.Equal(t, []int{5, 4, 3, 2}, words, "newest first, both days included")
}

func TestRebuildOverHTTP(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	pool := pgtest.Open(t, databaseURL)
	_, err := pool.Exec(t.Context(), `UPDATE learning_log_aggregates SET total_word_count = 0`)
	require.NoError(t, err)

	type rebuild struct {
		ID       int64
		State    string
		DryRun   bool `json:"dry_run"`
		Progress struct {
			Logs     int `json:"logs_done"`
			Users    int `json:"users_done"`
			Drifted  int `json:"rows_drifted"`
			Repaired int `json:"rows_repaired"`
			Examples []struct {
				UserID uuid.UUID `json:"user_id"`
				Was    struct {
					Words int `json:"total_word_count"`
				}
				Is struct {
					Words int `json:"total_word_count"`
				}
			}
		}
		Requested time.Time  `json:"requested_at"`
		Started   *time.Time `json:"started_at"`
		Finished  *time.Time `json:"finished_at"`
	}
	await := func(path string) (got rebuild) {
		require.Eventually(t, func() bool {
			got = rebuild{}
			s.mustCall(http.StatusOK, http.MethodGet, path, "").decode(t, &got)
			return got.State == "completed"
		}, eventually, often)
		return got
	}

	asked := s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds",
		fmt.Sprintf(`{"user_id":"%s","from":"2000-01-01","dry_run":true}`, user))
	verified := await(asked.header.Get("Location"))
	assert.True(t, verified.DryRun)
	assert.Equal(t, 3, verified.Progress.Drifted)
	assert.Zero(t, verified.Progress.Repaired)
	require.Len(t, verified.Progress.Examples, 3)
	assert.Equal(t, user, verified.Progress.Examples[0].UserID)
	assert.Equal(t, []int{0, 12}, []int{verified.Progress.Examples[0].Was.Words, verified.Progress.Examples[0].Is.Words})

	repaired := await(s.mustCall(http.StatusAccepted, http.MethodPost, "/v1/rebuilds", "").header.Get("Location"))
	assert.Equal(t, []int{1, 1, 3, 3},
		[]int{repaired.Progress.Users, repaired.Progress.Logs, repaired.Progress.Drifted, repaired.Progress.Repaired})
	assert.NotNil(t, repaired.Started)
	assert.NotNil(t, repaired.Finished)
	words, _ := s.total(user)
	assert.Equal(t, 12, words)

	var list struct{ Rebuilds []rebuild }
	s.mustCall(http.StatusOK, http.MethodGet, "/v1/rebuilds", "").decode(t, &list)
	require.Len(t, list.Rebuilds, 2)
	assert.Equal(t, repaired.ID, list.Rebuilds[0].ID, "newest first")
}

// Every error of every route is a problem that names the field and says what would
// be right.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	users := "/v1/users/" + user.String()
	good := newLog(user, 12)
	replaced := func(old, replacement string) string { return strings.Replace(good, old, replacement, 1) }
	words := func(value string) string { return replaced(`:12`, ":"+value) }
	at := func(value string) string { return replaced(`:12`, `:12,"timestamp":`+value) }
	tooFar := time.Now().Add(25 * time.Hour).Format(time.RFC3339)
	oneTooMany := `{"user_id":"` + user.String() + `",` +
		`"user_ids":["` + strings.Join(strings.Fields(manyUsers(10_000)), `","`) + `"]}`

	for _, test := range []struct {
		name, method, path, body string
		status                   int
		location, message        string
	}{
		{"no body", "POST", "/v1/learning-logs", "", 400, "", "empty"},
		{"broken JSON", "POST", "/v1/learning-logs", good[:20], 400, "", "broken"},
		{"two values", "POST", "/v1/learning-logs", good + good, 400, "", "broken"},
		{"not UTF-8", "POST", "/v1/learning-logs", "{\"\xff\":1}", 400, "", "UTF-8"},
		{"a NUL byte", "POST", "/v1/learning-logs", "\x00", 400, "", "broken"},
		{"not an object", "POST", "/v1/learning-logs", "[1]", 422, "body", "object"},
		{"null", "POST", "/v1/learning-logs", "null", 422, "body", "object"},
		{"an empty object", "POST", "/v1/learning-logs", "{}", 422, "body.request_id", "required"},
		{"an unknown field", "POST", "/v1/learning-logs", replaced(`}`, `,"words":1}`), 422, "body.words", "expected only"},
		{"a field in another case", "POST", "/v1/learning-logs", replaced(`"word_count"`, `"Word_Count"`), 422, "body.word_count", "required"},
		{"no user", "POST", "/v1/learning-logs", replaced(`"user_id"`, `"nobody"`), 422, "body.user_id", "required"},
		{"not a UUID", "POST", "/v1/learning-logs", replaced(user.String(), "me"), 422, "body.user_id", "UUID"},
		{"a UUID in braces", "POST", "/v1/learning-logs", replaced(user.String(), "{"+user.String()+"}"), 422, "body.user_id", "UUID"},
		{"a UUID that is a number", "POST", "/v1/learning-logs", replaced(`"`+user.String()+`"`, "5"), 422, "body.user_id", "UUID"},
		{"the nil UUID", "POST", "/v1/learning-logs", replaced(user.String(), uuid.Nil.String()), 422, "body.user_id", "nil UUID"},
		{"a UUID with a NUL byte", "POST", "/v1/learning-logs", replaced(user.String(), user.String()[:35]+`\u0000`), 422, "body.user_id", "UUID"},
		{"negative words", "POST", "/v1/learning-logs", words("-1"), 422, "body.word_count", "from 0 to 1000000"},
		{"too many words", "POST", "/v1/learning-logs", words("1000001"), 422, "body.word_count", "from 0 to 1000000"},
		{"a huge number", "POST", "/v1/learning-logs", words("1e400"), 422, "body.word_count", "from 0 to 1000000"},
		{"a number beyond 64 bits", "POST", "/v1/learning-logs", words("99999999999999999999"), 422, "body.word_count", "from 0 to 1000000"},
		{"a fraction", "POST", "/v1/learning-logs", words("1.5"), 422, "body.word_count", "whole"},
		{"a number as text", "POST", "/v1/learning-logs", words(`"12"`), 422, "body.word_count", "whole"},
		{"words that are null", "POST", "/v1/learning-logs", words(`null`), 422, "body.word_count", "whole"},
		{"a time without an offset", "POST", "/v1/learning-logs", at(`"2025-11-22T08:30:00"`), 422, "body.timestamp", "RFC 3339"},
		{"a date for a time", "POST", "/v1/learning-logs", at(`"2025-11-22"`), 422, "body.timestamp", "RFC 3339"},
		{"a time that is a number", "POST", "/v1/learning-logs", at(`1763800000`), 422, "body.timestamp", "RFC 3339"},
		{"an offset of a day", "POST", "/v1/learning-logs", at(`"2025-11-22T08:30:00+24:00"`), 422, "body.timestamp", "RFC 3339"},
		{"a comma for a point", "POST", "/v1/learning-logs", at(`"2025-11-22T08:30:00,5Z"`), 422, "body.timestamp", "RFC 3339"},
		{"no such day", "POST", "/v1/learning-logs", at(`"2025-02-30T00:00:00Z"`), 422, "body.timestamp", "RFC 3339"},
		{"a time zone that is an abbreviation", "POST", "/v1/learning-logs", replaced(`}`, `,"time_zone":"EST"}`), 422, "body.time_zone", "IANA"},
		{"a time zone that there isn't", "POST", "/v1/learning-logs", replaced(`}`, `,"time_zone":"Europe/Atlantis"}`), 422, "body.time_zone", "IANA"},
		{"a time zone that is a number", "POST", "/v1/learning-logs", replaced(`}`, `,"time_zone":9}`), 422, "body.time_zone", "IANA"},
		{"an offset that no clock has", "POST", "/v1/learning-logs", replaced(`}`, `,"utc_offset":"+14:01"}`), 422, "body.utc_offset", "+14:00"},
		{"an offset that is a number", "POST", "/v1/learning-logs", replaced(`}`, `,"utc_offset":9}`), 422, "body.utc_offset", "+05:30"},
		{"too long ago", "POST", "/v1/learning-logs", at(`"1999-12-31T23:59:59Z"`), 422, "body.timestamp", "2000-01-01"},
		{"the year 1", "POST", "/v1/learning-logs", at(`"0001-01-01T00:00:00Z"`), 422, "body.timestamp", "2000-01-01"},
		{"too far ahead", "POST", "/v1/learning-logs", at(`"` + tooFar + `"`), 422, "body.timestamp", "ahead"},
		{"a body of megabytes", "POST", "/v1/learning-logs", words(strings.Repeat("1", 1<<20)), 413, "", "at most"},
		{"a field twice", "POST", "/v1/learning-logs", replaced(`}`, `,"word_count":13}`), 422, "body.word_count", "once"},
		{"an odd on_duplicate", "POST", "/v1/learning-logs?on_duplicate=ignore", good, 422, "query.on_duplicate", "conflict"},
		{"an unknown parameter", "POST", "/v1/learning-logs?dry=1", good, 422, "query.dry", "no parameter"},

		{"a batch without a body", "POST", "/v1/learning-logs/batch", "", 400, "", "empty"},
		{"a batch that isn't an array", "POST", "/v1/learning-logs/batch", good, 422, "body", "array"},
		{"a batch that is null", "POST", "/v1/learning-logs/batch", "null", 422, "body", "array"},
		{"a batch that breaks off", "POST", "/v1/learning-logs/batch", "[" + good, 400, "", "broken"},

		{"a log of no user", "GET", "/v1/users/me/learning-logs/" + user.String(), "", 422, "path.user_id", "UUID"},
		{"a log of no id", "GET", users + "/learning-logs/first", "", 422, "path.request_id", "UUID"},
		{"no such log", "GET", users + "/learning-logs/" + user.String(), "", 404, "", ""},

		{"a list of no user", "GET", "/v1/users/%00/learning-logs", "", 422, "path.user_id", "UUID"},
		{"a page of nothing", "GET", users + "/learning-logs?limit=0", "", 422, "query.limit", "1"},
		{"a page of too much", "GET", users + "/learning-logs?limit=1001", "", 422, "query.limit", "1000"},
		{"a limit that is no number", "GET", users + "/learning-logs?limit=all", "", 422, "query.limit", ""},
		{"an invented cursor", "GET", users + "/learning-logs?cursor=abc", "", 422, "query.cursor", "next_cursor"},
		{"a list that ends before it begins", "GET", users + "/learning-logs?from=2025-11-22&to=2025-11-21", "", 422, "query.from", "after"},

		{"a summary in no zone", "GET", users + "/summary?time_zone=EST", "", 422, "query.time_zone", "IANA"},
		{"a streak in no zone", "GET", users + "/streak?time_zone=Mars/Olympus", "", 422, "query.time_zone", "IANA"},
		{"a year in no zone", "GET", users + "/activity?time_zone=Local", "", 422, "query.time_zone", "IANA"},
		{"a streak with gaps of more than a week", "GET", users + "/streak?allow_gaps=8", "", 422, "query.allow_gaps", "7"},
		{"a summary of no user", "GET", "/v1/users/me/summary", "", 422, "path.user_id", "UUID"},
		{"an unknown granularity", "GET", users + "/summary?granularity=decade", "", 422, "query.granularity", "month"},
		{"a naive time", "GET", users + "/summary?from=2025-11-22T08:30:00", "", 422, "query.from", "RFC 3339"},
		{"a plus that became a space", "GET", users + "/summary?from=2025-11-22T08:30:00+01:00", "", 422, "query.from", "%2B"},
		{"a NUL byte in a date", "GET", users + "/summary?from=2025-11-22%00", "", 422, "query.from", "must be"},
		{"a range that ends before it begins", "GET", users + "/summary?from=2025-11-22&to=2025-11-21", "", 422, "query.from", "after"},
		{"a range without an end", "GET", users + "/summary?from=0001-01-01&to=9998-12-31", "", 422, "query.to", "10000"},
		{"a year of five digits", "GET", users + "/summary?from=10000-01-01", "", 422, "query.from", "must be"},
		{"an odd fill", "GET", users + "/summary?fill=perhaps", "", 422, "query.fill", ""},
		{"a parameter twice", "GET", users + "/summary?from=2025-11-22&from=2025-11-21", "", 422, "query.from", "once"},
		{"a parameter that can't be read", "GET", users + "/summary?from=%zz", "", 422, "query", "name=value"},
		{"a misspelt parameter", "GET", users + "/summary?form=2025-11-22", "", 422, "query.form", "no parameter"},

		{"a rebuild of no user", "POST", "/v1/rebuilds", `{"user_id":"me"}`, 422, "body.user_id", "UUID"},
		{"a rebuild that ends before it begins", "POST", "/v1/rebuilds", `{"from":"2025-11-22","to":"2025-11-21"}`, 422, "body.from", "after"},
		{"a rebuild of one user too many", "POST", "/v1/rebuilds", oneTooMany, 422, "body.user_ids", "10000"},
		{"a rebuild of an odd time", "POST", "/v1/rebuilds", `{"from":5}`, 422, "body.from", "must be"},
		{"a rebuild since the end of time", "POST", "/v1/rebuilds", `{"recorded_since":"9999-12-31T23:59:59-23:59"}`, 422, "body.recorded_since", "years"},
		{"a rebuild since before time", "POST", "/v1/rebuilds", `{"recorded_since":"0000-01-01T00:00:00+23:59"}`, 422, "body.recorded_since", "years"},
		{"a rebuild that is perhaps dry", "POST", "/v1/rebuilds", `{"dry_run":"yes"}`, 422, "body.dry_run", "true or false"},
		{"a rebuild with an unknown field", "POST", "/v1/rebuilds", `{"users":[]}`, 422, "body.users", "expected only"},
		{"a rebuild of broken JSON", "POST", "/v1/rebuilds", `{`, 400, "", "broken"},
		{"no such rebuild", "GET", "/v1/rebuilds/999999", "", 404, "", "no rebuild with this id"},
		{"no such rebuild to cancel", "DELETE", "/v1/rebuilds/999999", "", 404, "", "no rebuild with this id"},
		{"no such rebuild to watch", "GET", "/v1/rebuilds/999999/events", "", 404, "", "no rebuild with this id"},
		{"a rebuild that is no number", "GET", "/v1/rebuilds/first", "", 422, "path.id", ""},
		{"too many rebuilds", "GET", "/v1/rebuilds?limit=1001", "", 422, "query.limit", "1000"},

		{"no such path or method", "PATCH", "/v2/nothing", "", 404, "", "/docs"},
		{"no such path", "GET", "/v2/nothing", "", 404, "", "/docs"},
		{"a method that isn't allowed", "PUT", "/v1/learning-logs", good, 405, "", "POST"},
		{"a method that isn't allowed on a user", "DELETE", users + "/summary", "", 405, "", "GET"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := s.call(test.method, test.path, test.body)
			require.NoError(t, err)
			require.Equal(t, test.status, got.status, "%s", got.body)
			p := got.problem(t)
			if test.location == "" {
				assert.Contains(t, p.Detail, test.message)
				return
			}
			var found bool
			for _, wrong := range p.Errors {
				found = found || wrong.Location == test.location && strings.Contains(wrong.Message, test.message)
			}
			assert.True(t, found, "names %s and says %q: %s", test.location, test.message, got.body)
		})
	}

	t.Cleanup(func() {
		words, entries := s.total(user)
		assert.Zero(t, words)
		assert.Zero(t, entries, "nothing of it was recorded")
	})
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for contentType, status := range map[string]int{
		"application/json":                  http.StatusCreated,
		"application/json; charset=utf-8":   http.StatusCreated,
		"Application/JSON":                  http.StatusCreated,
		"application/json; charset=utf-16":  http.StatusUnsupportedMediaType,
		"application/x-www-form-urlencoded": http.StatusUnsupportedMediaType, // the default of curl
		"text/plain":                        http.StatusUnsupportedMediaType,
		"nonsense;;":                        http.StatusUnsupportedMediaType,
	} {
		got, err := s.send(http.MethodPost, "/v1/learning-logs", contentType, newLog(uuid.New(), 1))
		require.NoError(t, err)
		assert.Equal(t, status, got.status, "%s: %s", contentType, got.body)
		if status == http.StatusUnsupportedMediaType {
			assert.Contains(t, got.problem(t).Errors[0].Message, "application/json")
		}
	}
	for _, path := range []string{"/v1/learning-logs/batch", "/v1/rebuilds"} {
		got, err := s.send(http.MethodPost, path, "text/xml", "<a/>")
		require.NoError(t, err)
		assert.Equal(t, http.StatusUnsupportedMediaType, got.status)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.NewString()
	for path, allowed := range map[string]string{
		"/v1/learning-logs":                            "POST",
		"/v1/learning-logs/batch":                      "POST",
		"/v1/learning-logs/void":                       "POST",
		"/v1/users/" + user + "/summary":               "GET, HEAD",
		"/v1/users/" + user + "/learning-logs":         "GET, HEAD",
		"/v1/users/" + user + "/learning-logs/" + user: "GET, HEAD, DELETE",
		"/v1/rebuilds":                                 "GET, HEAD, POST, DELETE",
		"/v1/rezones":                                  "POST",
		"/v1/purges":                                   "POST",
		"/v1/rebuilds/1":                               "GET, HEAD, DELETE",
		"/v1/rebuilds/1/events":                        "GET, HEAD",
		"/healthz":                                     "GET, HEAD",
		"/readyz":                                      "GET, HEAD",
		"/openapi.json":                                "GET, HEAD",
		"/openapi.yaml":                                "GET, HEAD",
	} {
		got := s.mustCall(http.StatusMethodNotAllowed, http.MethodPatch, path, "")
		assert.Equal(t, allowed, got.header.Get("Allow"), path)
	}
	head := s.mustCall(http.StatusOK, http.MethodHead, "/healthz", "")
	assert.Empty(t, head.body)
}

func TestDocsAndHealth(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for path, contains := range map[string]string{
		"/healthz":                   `"ok"`,
		"/readyz":                    `"ready"`,
		"/docs":                      "swagger-ui",
		"/":                          "What was learned",
		"/openapi.json":              `"openapi":"3.1.0"`,
		"/openapi.yaml":              "openapi: 3.1.0",
		"/problems/already-recorded": "done",
	} {
		assert.Contains(t, string(s.mustCall(http.StatusOK, http.MethodGet, path, "").body), contains, path)
	}
	stdout, stderr, status := run(t, "health", "--addr", strings.TrimPrefix(s.base, "http://"))
	assert.Zero(t, status, "%s%s", stdout, stderr)
}

// A request that is running when the service is stopped is finished, and no new one
// is accepted.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	address, err := url.Parse(s.base)
	require.NoError(t, err)
	connection, err := net.Dial("tcp", address.Host)
	require.NoError(t, err)
	defer func() { _ = connection.Close() }()
	log := newLog(uuid.New(), 12)
	_, err = fmt.Fprintf(connection, "POST /v1/learning-logs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n\r\n%s", len(log), log[:10])
	require.NoError(t, err)
	// A request on another connection shows that the service has read this one.
	s.mustCall(http.StatusOK, http.MethodGet, "/healthz", "")

	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	require.Eventually(t, func() bool {
		probe, err := net.Dial("tcp", address.Host)
		if err == nil {
			_ = probe.Close()
		}
		return err != nil
	}, 10*time.Second, 10*time.Millisecond, "no new connection is accepted")
	_, err = io.WriteString(connection, log[10:])
	require.NoError(t, err)
	got, err := io.ReadAll(connection)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(got), "HTTP/1.1 201 "), "%s", got)
	<-stopped
}

// A slow network is not an outage: the time for receiving a body isn't counted.
func TestASlowBody(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	s := serve(t, "--database-url", pgtest.URL(t), "--request-timeout", timeout.String())
	for path, body := range map[string]string{
		"/v1/learning-logs":       newLog(uuid.New(), 12),
		"/v1/learning-logs/batch": "[" + newLog(uuid.New(), 12) + "]",
	} {
		reader, writer := io.Pipe()
		go func() {
			_, _ = io.WriteString(writer, body[:10])
			time.Sleep(timeout + timeout/4) // the test needs time to pass
			_, _ = io.WriteString(writer, body[10:])
			_ = writer.Close()
		}()
		response, err := http.Post(s.base+path, "application/json", reader)
		require.NoError(t, err)
		_ = response.Body.Close()
		assert.Less(t, response.StatusCode, 300, path)
	}
}

// A request that waits for the database too long gets an answer in time, and doesn't
// delay the stop of the service.
func TestARequestThatWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	pool := pgtest.Open(t, databaseURL)
	user := uuid.New()
	s := serve(t, "--database-url", databaseURL, "--request-timeout", "2s")
	const shutdown = 4 * time.Second
	patient := serve(t, "--database-url", databaseURL, "--request-timeout", "10m", "--shutdown-timeout", shutdown.String())
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
	blocker, err := pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = blocker.Exec(t.Context(), `SELECT FROM learning_log_aggregates FOR UPDATE`)
	require.NoError(t, err)

	late := s.mustCall(http.StatusServiceUnavailable, http.MethodPost, "/v1/learning-logs", newLog(user, 1))
	assert.NotEmpty(t, late.header.Get("Retry-After"))

	go func() { _, _ = patient.call(http.MethodPost, "/v1/learning-logs", newLog(user, 1)) }()
	require.Eventually(t, func() bool {
		var waiting int
		err := pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		return err == nil && waiting > 0
	}, eventually, often)
	interrupted := time.Now()
	require.NoError(t, patient.command.Process.Signal(os.Interrupt))
	select {
	case <-patient.done:
		assert.Less(t, time.Since(interrupted), 2*shutdown, "all steps have the timeout together")
	case <-time.After(eventually):
		assert.Fail(t, "the service doesn't stop")
	}
	require.NoError(t, blocker.Rollback(t.Context()))
}
