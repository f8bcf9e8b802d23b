package main_test

import (
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

// get requests a path with headers, given as name, value, name, value.
func (s *service) get(path string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.base+path, nil)
	require.NoError(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return answer{status: response.StatusCode, header: response.Header, body: read}
}

func TestSummaryInTheFormatThatIsAskedFor(t *testing.T) {
	t.Parallel()
	s, user := serve(t, "--database-url", pgtest.URL(t)), uuid.New()
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 12))
	path := "/v1/users/" + user.String() + "/summary"
	const json, spreadsheet, picture = "application/json", "text/csv; charset=utf-8; header=present", "image/svg+xml"
	for _, test := range []struct{ query, accept, want string }{
		{"", "", json},
		{"", "*/*", json},
		{"", "text/html", json},
		{"", "text/csv", spreadsheet},
		{"", "image/svg+xml", picture},
		{"", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", picture}, // Chrome, for an img element
		{"", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", json},     // Chrome, for its address bar
		{"", "text/csv;q=0.5,application/json", json},
		{"?format=csv", "application/json", spreadsheet},
		{"?format=svg", "", picture},
		{"?format=json", "text/csv", json},
	} {
		got := s.get(path+test.query, "Accept", test.accept)
		assert.Equal(t, http.StatusOK, got.status, "%v", test)
		assert.Equal(t, test.want, got.header.Get("Content-Type"), "%v", test)
		assert.Equal(t, "Accept", got.header.Get("Vary"))
	}
	for language, want := range map[string]string{"de": "12 Wörter in 1 Eintrag", "ja": "12語（記録1件）", "en": "12 words in 1 log"} {
		for range 2 { // also the picture that is kept
			got := s.get(path+"?format=svg", "Accept-Language", language)
			assert.Contains(t, string(got.body), want)
			assert.Equal(t, language, got.header.Get("Content-Language"))
			assert.Contains(t, got.header.Values("Vary"), "Accept-Language")
		}
	}
	assert.NotContains(t, s.get(path, "Accept-Language", "de").header.Values("Vary"), "Accept-Language", "JSON is the same in all of them")
	assert.Equal(t, http.StatusUnprocessableEntity, s.get(path+"?format=pdf").status)
	tooLong := s.get(path + "?format=svg&from=2020-01-01")
	assert.Equal(t, http.StatusUnprocessableEntity, tooLong.status)
	assert.Contains(t, string(tooLong.body), "at most 400 periods")
	assert.Contains(t, string(s.get(path+"?format=svg").body), "12 words in 1 log")
}

func TestSummaryAsASpreadsheet(t *testing.T) {
	t.Parallel()
	s, user := serve(t, "--database-url", pgtest.URL(t)), uuid.New()
	for _, words := range []int{10, 11, 11} {
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, words, `"timestamp":"2026-03-04T05:06:07Z"`))
	}

	got := s.get("/v1/users/" + user.String() + "/summary?format=csv&from=2026-03-03&to=2026-03-04")

	assert.Equal(t, `attachment; filename="`+user.String()+`-day-2026-03-03-2026-03-04.csv"`, got.header.Get("Content-Disposition"))
	rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
	require.NoError(t, err)
	assert.Equal(t, [][]string{
		{"period", "total_word_count", "entry_count", "average_words_learned"},
		{"2026-03-03", "0", "0", "0"},
		{"2026-03-04", "32", "3", "10.666666666666666"},
	}, rows)
	harmless := regexp.MustCompile(`^[0-9a-z][0-9a-z_.-]*$`) // never a formula
	for _, row := range rows {
		for _, cell := range row {
			assert.Regexp(t, harmless, cell)
		}
	}
}

func TestStreakAndActivity(t *testing.T) {
	t.Parallel()
	s, user := serve(t, "--database-url", pgtest.URL(t)), uuid.New()
	today := time.Now().UTC()
	for _, daysAgo := range []int{0, 1, 2, 5} {
		at := today.AddDate(0, 0, -daysAgo).Format(time.RFC3339)
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 10+daysAgo, `"timestamp":"`+at+`"`))
	}
	s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 7, `"timestamp":"2024-02-29T08:00:00Z"`))
	type streak struct {
		Days     int
		From, To *string
	}
	var streaks struct {
		Current, Longest streak
		ActiveDays       int `json:"active_days"`
		LastDay          *string
	}
	path := "/v1/users/" + user.String()
	s.mustCall(http.StatusOK, http.MethodGet, path+"/streak", "").decode(t, &streaks)
	want := streak{3, new(today.AddDate(0, 0, -2).Format(time.DateOnly)), new(today.Format(time.DateOnly))}
	assert.Equal(t, want, streaks.Current)
	assert.Equal(t, want, streaks.Longest)
	assert.Equal(t, 5, streaks.ActiveDays)

	assert.JSONEq(t, `{"user_id":"`+user.String()+`","year":2024,
		"total_word_count":7,"entry_count":1,"average_words_learned":7,"active_days":1,
		"best_day":{"date":"2024-02-29","total_word_count":7,"entry_count":1,"average_words_learned":7},
		"days":[{"date":"2024-02-29","total_word_count":7,"entry_count":1,"average_words_learned":7}]}`,
		string(s.get(path+"/activity?year=2024").body))
	var thisYear struct{ Year int }
	s.mustCall(http.StatusOK, http.MethodGet, path+"/activity", "").decode(t, &thisYear)
	assert.Equal(t, today.Year(), thisYear.Year)

	nobody := "/v1/users/" + uuid.NewString()
	assert.Contains(t, string(s.get(nobody+"/streak").body), `"current":{"days":0,"from":null,"to":null}`)
	assert.Contains(t, string(s.get(nobody+"/activity?year=2024").body), `"best_day":null,"days":[]`)
	for _, bad := range []string{"/activity?year=0", "/activity?year=9999", "/activity?year=x", "/streak?year=2024"} {
		assert.Equal(t, http.StatusUnprocessableEntity, s.get(path+bad).status, bad)
	}
}

// A cached answer is never older than the rollup, whoever changed the rollup.
func TestAnswersAreTheSameOnlyWhileTheRollupIs(t *testing.T) {
	t.Parallel()
	databaseURL, user := pgtest.URL(t), uuid.New()
	one, other := serve(t, "--database-url", databaseURL), serve(t, "--database-url", databaseURL)
	late := func() string { return newLog(user, 5, `"timestamp":"2026-03-04T05:06:07Z"`) }
	one.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", late())
	path := "/v1/users/" + user.String()
	for _, path := range []string{
		path + "/summary?from=2026-03-01&to=2026-03-31",
		path + "/summary?from=2026-03-01&to=2026-03-31&format=csv",
		path + "/summary?from=2026-03-01&to=2026-03-31&format=svg",
		path + "/activity?year=2026",
		"/users/" + user.String() + "?from=2026-03-01&to=2026-03-31",
	} {
		first := one.get(path)
		tag := first.header.Get("ETag")
		require.NotEmpty(t, tag, path)
		assert.NotContains(t, tag, "W/", "it is a strong one")
		assert.Equal(t, "private, no-cache", first.header.Get("Cache-Control"))
		same := func(s *service) bool {
			got := s.get(path, "If-None-Match", `"another", `+tag)
			if got.status == http.StatusNotModified {
				assert.Empty(t, got.body)
				assert.Equal(t, tag, got.header.Get("ETag"))
				return true
			}
			assert.NotEqual(t, tag, got.header.Get("ETag"))
			return false
		}
		assert.True(t, same(one), path)
		assert.True(t, same(other), "%s: both answer the same bytes", path)
		for change, do := range map[string]func(){
			"a late log": func() { other.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", late()) },
			"SQL": func() {
				execute(t, databaseURL, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1`)
			},
			"a rebuild": func() { _, _, _ = run(t, "rebuild", "--wait", "--database-url", databaseURL) },
		} {
			if change == "a rebuild" {
				execute(t, databaseURL, `UPDATE learning_log_aggregates SET total_word_count = total_word_count + 1`)
				tag = one.get(path).header.Get("ETag")
			}
			do()
			assert.False(t, same(one), "%s after %s, at once", path, change)
			assert.False(t, same(other), "%s after %s, at once, on another replica", path, change)
			tag = one.get(path).header.Get("ETag")
		}
	}
}
