package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

const formType = "application/x-www-form-urlencoded"

func settingsOf(user uuid.UUID) string { return "/v1/users/" + user.String() + "/settings" }

// set sets the settings of a user.
func (s *service) set(user uuid.UUID, settings string) {
	s.t.Helper()
	s.mustCall(http.StatusOK, http.MethodPut, settingsOf(user), settings)
}

func TestSettingsAreReplacedAsAWhole(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL)
	user := uuid.New()
	for _, test := range []struct{ put, shown string }{
		{"", `"freeze_days":0`},
		{`{"display_name":"Mia","goal":{"words":50,"per":"day"},"freeze_days":2}`, `"display_name":"Mia","goal":{"words":50,"per":"day"},"freeze_days":2`},
		{`{"goal":{"words":1000000000,"per":"week"}}`, `"goal":{"words":1000000000,"per":"week"},"freeze_days":0`},
		{`{"display_name":"みあ 👩‍🎓 <b>","goal":null,"freeze_days":7}`, `"display_name":"みあ 👩‍🎓 \u003cb\u003e","freeze_days":7`},
		{`{"freeze_days":null}`, `"freeze_days":0`},
	} {
		want := fmt.Sprintf(`{"user_id":"%s",%s}`+"\n", user, test.shown)
		if test.put != "" {
			for range 2 {
				assert.JSONEq(t, want, string(s.mustCall(http.StatusOK, http.MethodPut, settingsOf(user), test.put).body))
			}
		}
		got := s.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "")
		assert.Equal(t, want, string(got.body))
		s.mustCall(http.StatusOK, http.MethodPut, settingsOf(user), string(got.body)) // as they were read
		again := s.try(http.MethodGet, settingsOf(user), "", "If-None-Match", got.header.Get("ETag"))
		assert.Equal(t, http.StatusNotModified, again.status)
	}
	assert.Empty(t, naming(t, pgtest.Open(t, databaseURL), user), "of who has set nothing there is no row")
}

func TestWhatIsWrongWithSettingsIsToldByField(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	name := func(name string) string {
		text, err := json.Marshal(map[string]string{"display_name": name})
		require.NoError(t, err)
		return string(text)
	}
	s.set(user, name(strings.Repeat("語", 100)))
	for put, wrong := range map[string][]string{
		name(""):                                  {"body.display_name"},
		name(strings.Repeat("語", 101)):            {"body.display_name"},
		name("a\nb"):                              {"body.display_name"},
		name("a\u0000b"):                          {"body.display_name"},
		name("a\u0085b"):                          {"body.display_name"},
		name("a\u2028b"):                          {"body.display_name"},
		name(" Mia"):                              {"body.display_name"},
		name("\u3000"):                            {"body.display_name"},
		name("\u200b"):                            {"body.display_name"},
		name("Mia\u202e"):                         {"body.display_name"},
		`{"display_name":7}`:                      {"body.display_name"},
		`{"goal":5}`:                              {"body.goal"},
		`{"goal":{}}`:                             {"body.goal.words", "body.goal.per"},
		`{"goal":{"words":0,"per":"month"}}`:      {"body.goal.words", "body.goal.per"},
		`{"goal":{"words":5,"per":"month"}}`:      {"body.goal.per"},
		`{"goal":{"words":1000000001,"per":1}}`:   {"body.goal.words", "body.goal.per"},
		`{"goal":{"words":5,"per":"day","x":1}}`:  {"body.goal.x"},
		`{"freeze_days":8}`:                       {"body.freeze_days"},
		`{"freeze_days":-1}`:                      {"body.freeze_days"},
		`{"freeze_days":1.5,"display_name":"\t"}`: {"body.display_name", "body.freeze_days"},
		`{"words":5}`:                             {"body.words"},
		`{"user_id":"` + uuid.NewString() + `"}`:  {"body.user_id"},
	} {
		problem := s.mustCall(http.StatusUnprocessableEntity, http.MethodPut, settingsOf(user), put).problem(t)
		var fields []string
		for _, field := range problem.Errors {
			fields = append(fields, field.Location)
		}
		assert.Equal(t, wrong, fields, put)
	}
	s.mustCall(http.StatusUnprocessableEntity, http.MethodPut, settingsOf(uuid.Nil), "{}")
	s.mustCall(http.StatusBadRequest, http.MethodPut, settingsOf(user), `{"freeze_days":1`)
	s.mustCall(http.StatusRequestEntityTooLarge, http.MethodPut, settingsOf(user), name(strings.Repeat("x", 9000)))
	assert.Contains(t, string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "").body), "語", "nothing was changed")
}

func TestFreezeDaysKeepAStreak(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	noon := farFromMidnight(time.Now())
	for _, ago := range []int{0, 2, 5} { // a day is missing, and then two
		s.mustCall(http.StatusCreated, http.MethodPost, "/v1/learning-logs", newLog(user, 5,
			`"timestamp":"`+noon.AddDate(0, 0, -ago).Format(time.RFC3339)+`","utc_offset":"`+noon.Format("-07:00")+`"`))
	}
	streak := func(query string) (days, gaps int) {
		var got struct {
			Current   struct{ Days int }
			AllowGaps int `json:"allow_gaps"`
		}
		s.mustCall(http.StatusOK, http.MethodGet, "/v1/users/"+user.String()+"/streak"+query, "").decode(t, &got)
		return got.Current.Days, got.AllowGaps
	}
	for _, test := range []struct {
		put, query string
		days, gaps int
	}{
		{`{}`, "", 1, 0},
		{`{"freeze_days":1}`, "", 2, 1},
		{`{"freeze_days":2}`, "", 3, 2},
		{`{"freeze_days":2}`, "?allow_gaps=0", 1, 0},
		{`{}`, "?allow_gaps=7", 3, 7},
	} {
		s.set(user, test.put)
		days, gaps := streak(test.query)
		assert.Equal(t, []int{test.days, test.gaps}, []int{days, gaps}, "%+v", test)
	}
	s.mustCall(http.StatusUnprocessableEntity, http.MethodGet, "/v1/users/"+user.String()+"/streak?allow_gaps=8", "")
}

func TestSettingsAreExportedErasedAndImportedAgain(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, erasingSoon, "--database-url", databaseURL)
	user, other := uuid.New(), uuid.New()
	s.recordFor(1, user)
	s.set(user, `{"display_name":"Mia","goal":{"words":50,"per":"day"},"freeze_days":2}`)
	s.set(other, `{"freeze_days":3}`)
	settings := string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "").body)
	file, spreadsheet := filepath.Join(t.TempDir(), "learner.ndjson"), filepath.Join(t.TempDir(), "learner.csv")
	for path, format := range map[string]string{file: "ndjson", spreadsheet: "csv"} {
		_, stderr, status := run(t, "export", "--user", user.String(), "--url", s.base, "--output", path, "--format", format)
		require.Zero(t, status, stderr)
	}
	exported, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(exported), `"settings":1,`)
	assert.Contains(t, string(exported), "\n"+`{"settings":`+strings.TrimSuffix(settings, "}\n")+`,"changed_at":"`)
	table, err := os.ReadFile(spreadsheet)
	require.NoError(t, err)
	assert.NotContains(t, string(table), "Mia", "a spreadsheet has logs alone")

	s.erase(user)

	assert.Equal(t, map[string]int{"public.learninglog_erased_users": 1, "public.learninglog_audit": 1}, naming(t, pgtest.Open(t, databaseURL), user))
	assert.Contains(t, string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(other), "").body), `"freeze_days":3`)
	gone := s.mustCall(http.StatusGone, http.MethodPut, settingsOf(user), settings).problem(t)
	assert.Equal(t, "/problems/erased", gone.Type)
	stdout, _, status := run(t, "import", file, "--url", s.base)
	assert.Equal(t, 1, status)
	assert.Contains(t, stdout, "of erased learners")

	another := serve(t, erasingSoon, "--database-url", pgtest.URL(t))
	for _, outcome := range []string{"recorded", "already recorded"} {
		stdout, stderr, status := run(t, "import", file, "--url", another.base)
		require.Zero(t, status, stderr)
		report := map[string]int{"recorded": 0, "already recorded": 0, "request id reused": 0, "invalid": 0, "settings that are set": 1}
		report[outcome] = 1
		assert.Equal(t, report, counted(t, stdout), "settings are no log")
		assert.Equal(t, settings, string(another.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "").body))
	}
	cut := strings.SplitAfter(string(exported), "\n")
	require.NoError(t, os.WriteFile(file, []byte(cut[0]+cut[2]), 0o600))
	_, _, status = run(t, "import", file, "--url", another.base)
	assert.Equal(t, 1, status, "it is told that the settings are missing")
}

func TestSettingsThatAnImportCannotSetStopNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, other := uuid.New(), uuid.New()
	bad := []string{
		`{"settings":{}}`,
		`{"settings":{"display_name":"x"}}`,
		`{"settings":{"user_id":"."}}`,
		`{"settings":{"user_id":".."}}`,
		fmt.Sprintf(`{"settings":{"user_id":"%s","display_name":"%s"}}`, user, strings.Repeat("x", 9000)),
		fmt.Sprintf(`{"settings":{"user_id":"%s","USER_ID":"%s","freeze_days":3}}`, user, other),
		fmt.Sprintf(`{"settings":{"user_id":"%s","user_id":"%s","freeze_days":3}}`, user, other),
		fmt.Sprintf(`{"settings":{"user_id":"%s"},"settings":{"user_id":"%s","freeze_days":3}}`, user, other),
		fmt.Sprintf(`{"settings":{"user_id":"{%s}","freeze_days":3}}`, user),
		fmt.Sprintf(`{"settings":{"user_id":"%s","freeze_days":3}}`, uuid.Nil),
	}
	path := writeFile(t, "learner.ndjson", strings.Join(bad, "\n")+"\n"+newLog(user, 5)+"\n"+
		fmt.Sprintf(`{"settings":{"user_id":"%s","freeze_days":2}}`, user))

	stdout, stderr, status := run(t, "import", path, "--url", s.base)

	assert.Equal(t, 1, status, stderr)
	assert.Equal(t, map[string]int{
		"recorded": 1, "already recorded": 0, "request id reused": 0, "invalid": len(bad), "settings that are set": 1,
	}, counted(t, stdout))
	rejects := readRejects(t, path+".rejects.ndjson")
	require.Len(t, rejects, len(bad))
	for _, reject := range rejects {
		assert.Equal(t, bad[reject.Line-1], reject.Entry)
		assert.NotEmpty(t, reject.Errors, reject.Entry)
	}
	assert.Contains(t, string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "").body), `"freeze_days":2`)
	assert.Contains(t, string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(other), "").body), `"freeze_days":0`)
}

func TestALearnersFormSetsSettings(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	post := func(form string) answer {
		return s.try(http.MethodPost, "/users/"+user.String()+"/settings?by=week&next=//elsewhere.example", form+"&name=&goal=&freeze=", "Content-Type", formType)
	}
	set := func() string { return string(s.mustCall(http.StatusOK, http.MethodGet, settingsOf(user), "").body) }

	got := post(url.Values{"name": {"  Mia <3 "}, "goal": {"200"}, "per": {"week"}, "freeze": {"1"}}.Encode())

	assert.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, "/users/"+user.String()+"?by=week#settings", got.header.Get("Location"))
	assert.Contains(t, set(), `"display_name":"Mia \u003c3","goal":{"words":200,"per":"week"},"freeze_days":1`)
	for form, wrong := range map[string]string{
		"goal=many&freeze=x":               "must be a whole number from 1 to",
		"goal=5&per=month":                 "must be day or week",
		"freeze=8":                         "must be a whole number from 0 to 7",
		"name=" + strings.Repeat("x", 101): "must have 1 to 100 characters",
		"name=a%0Ab":                       "must have 1 to 100 characters",
		"name=" + strings.Repeat("x", 20_000) + "%zz": "can&#39;t be read",
	} {
		got := post(form)
		assert.Contains(t, string(got.body), wrong, form)
		assert.GreaterOrEqual(t, got.status, http.StatusBadRequest)
		assert.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
	}
	for language, says := range map[string][]string{
		"en": {"<h1>These settings can’t be kept</h1>", "<strong>Goal, in words</strong> must be a whole number from 1 to 1,000,000,000, or empty", "<strong>Freeze days</strong>", "<strong>Name</strong>"},
		"de": {
			"<h1>Diese Einstellungen lassen sich nicht speichern</h1>", "<strong>Ziel, in Wörtern</strong> muss eine ganze Zahl von 1 bis 1.000.000.000 sein, oder leer",
			"<strong>Freie Tage</strong> muss eine ganze Zahl von 0 bis 7 sein", "<strong>Anzeigename</strong>",
		},
		"ja": {"<h1>この設定は保存できません</h1>", "<strong>目標（単語数）</strong> 1～1,000,000,000の整数", "<strong>休める日数</strong> 0～7の整数", "<strong>名前</strong>"},
	} {
		got := s.try(http.MethodPost, "/users/"+user.String()+"/settings", "goal=many&per=day&freeze=8&name=a%0Ab", "Content-Type", formType, "Accept-Language", language)
		assert.Equal(t, http.StatusUnprocessableEntity, got.status)
		for _, text := range says {
			assert.Contains(t, string(got.body), text)
		}
		assert.NotContains(t, string(got.body), `<p class="note" lang="en">`, "all of it is in the visitor's language")
	}
	unreadable := s.try(http.MethodPost, "/users/"+user.String()+"/settings", "name=%zz", "Content-Type", formType, "Accept-Language", "de")
	assert.Equal(t, http.StatusBadRequest, unreadable.status)
	assert.Contains(t, string(unreadable.body), "<h1>Das Formular ist nicht lesbar</h1>")
	for contentType, form := range map[string]string{
		"multipart/form-data; boundary=x": "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nMia\r\n--x--\r\n",
		"application/json":                `{"name":"Mia"}`,
		"text/plain":                      "name=Mia&goal=&freeze=",
		formType:                          "name=Mia",
	} {
		got := s.try(http.MethodPost, "/users/"+user.String()+"/settings", form, "Content-Type", contentType)
		assert.Equal(t, http.StatusBadRequest, got.status, "what isn't in a form isn't unset: %s", contentType)
	}
	assert.Contains(t, set(), `"freeze_days":1`, "nothing was changed")
	assert.Equal(t, http.StatusSeeOther, post("name=&goal=&per=day&freeze=").status)
	assert.JSONEq(t, fmt.Sprintf(`{"user_id":"%s","freeze_days":0}`, user), set())
}
