package importer_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/importer"
)

const learner = "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22"

// exportOf is an export that has so many lines of logs, although it may say something else.
func exportOf(says, has int) string {
	return fmt.Sprintf(`{"export":{"version":1,"sealed_days":0,"learning_logs":%d}}`+"\n", says) +
		strings.Repeat(`{"learning_log":{"request_id":"r","user_id":"u","word_count":5,"timestamp":"t"}}`+"\n", has)
}

func runExport(t testing.TB, address, text string) result {
	t.Helper()
	input, err := importer.Open(strings.NewReader(text), "", importer.NDJSON, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)
	return runInput(t, address, input, time.Minute)
}

func TestAnExportThatWasCutOffIsToldOf(t *testing.T) {
	t.Parallel()
	const whole = `{"key":{"id":1}}` + "\n"
	for name, test := range map[string]struct {
		text     string
		recorded int
		cut      []int // the lines at which exports begin that aren't complete
	}{
		"complete":                      {exportOf(2, 2), 2, nil},
		"complete, one after the other": {exportOf(2, 2) + exportOf(0, 0) + whole + exportOf(1, 1), 3, nil},
		"cut at the end of a line":      {exportOf(3, 2), 2, []int{1}},
		"nothing but its first line":    {exportOf(3, 0), 0, []int{1}},
		"cut, and another one follows":  {exportOf(3, 2) + exportOf(1, 1), 3, []int{1}},
		"both are cut":                  {exportOf(3, 2) + exportOf(2, 1), 3, []int{1, 4}},
		"more than it says":             {exportOf(1, 2), 2, []int{1}},
		"of sealed days":                {`{"export":{"sealed_days":1,"learning_logs":1}}` + "\n" + exportOf(0, 1)[len(exportOf(0, 0)):], 1, []int{1}},
		"no first line":                 {exportOf(0, 2)[len(exportOf(0, 0)):], 2, nil},
	} {
		s := serve(t, all("recorded"))

		got := runExport(t, s.URL, test.text)

		require.NoError(t, got.err, name)
		assert.EqualValues(t, test.recorded, got.Outcomes[importer.Recorded], name)
		var cut []int
		for _, reject := range got.rejects {
			cut = append(cut, reject.Line)
			assert.Contains(t, reject.Errors[0].Message, "it is not complete", name)
			assert.Empty(t, reject.Entry, "it is no line to mend")
		}
		assert.Equal(t, test.cut, cut, name)
	}
}

func TestSettingsOfAnExportAreSentUntilTheyHaveAnOutcome(t *testing.T) {
	t.Parallel()
	const (
		settings = `{"settings":{"user_id":"` + learner + `","display_name":"Mia","goal":{"words":50,"per":"day"},"freeze_days":1,"changed_at":"2026-11-22T08:30:00Z","later":1}}`
		sent     = `{"user_id":"` + learner + `","display_name":"Mia","goal":{"words":50,"per":"day"},"freeze_days":1,"later":1}`
	)
	for name, test := range map[string]struct {
		statuses []int // that the service answers, one after the other
		outcome  importer.Outcome
	}{
		"set":                               {[]int{200}, importer.Recorded},
		"the database was away":             {[]int{503, 500, 429, 200}, importer.Recorded},
		"of an erased learner":              {[]int{410}, importer.Erased},
		"of another learner than the key's": {[]int{404}, importer.Forbidden},
		"invalid":                           {[]int{422}, importer.Invalid},
		"too long":                          {[]int{413}, importer.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				assert.Equal(t, "PUT /v1/users/"+learner+"/settings application/json", r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type"))
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				assert.JSONEq(t, sent, string(body))
				w.WriteHeader(test.statuses[request])
				_, _ = w.Write([]byte(`{"title":"No","errors":[{"location":"body.freeze_days","message":"must be less"}]}`))
				request++
			}))
			t.Cleanup(s.Close)

			got := runExport(t, s.URL, settings+"\n")

			require.NoError(t, got.err)
			assert.Equal(t, len(test.statuses), request)
			if test.outcome == importer.Recorded {
				assert.EqualValues(t, 1, got.Settings)
				assert.Zero(t, got.Logs(), "settings are no logs")
				return
			}
			assert.Equal(t, map[importer.Outcome]int64{test.outcome: 1}, got.Outcomes)
			assert.Zero(t, got.Settings)
			require.Len(t, got.rejects, 1)
			switch test.statuses[0] {
			case http.StatusUnprocessableEntity:
				assert.Equal(t, []importer.FieldProblem{{Location: "body.freeze_days", Message: "must be less"}}, got.rejects[0].Errors)
			case http.StatusRequestEntityTooLarge:
				assert.Equal(t, []importer.FieldProblem{{Message: "No."}}, got.rejects[0].Errors)
			}
		})
	}
}

// What is no UUID could lead to another endpoint, whose answer would end the import.
func TestSettingsOfNoLearnerAreRejectedAlone(t *testing.T) {
	t.Parallel()
	const log = `{"learning_log":{"request_id":"r","user_id":"u","word_count":5,"timestamp":"t"}}`
	for _, settings := range []string{
		`{}`, `{"display_name":"x"}`, `{"user_id":null}`, `{"user_id":5}`, `{"user_id":""}`, `{"user_id":"."}`, `{"user_id":".."}`,
		`{"user_id":"u"}`, `{"user_id":"00000000-0000-0000-0000-000000000000"}`, `{"USER_ID":"` + learner + `"}`,
	} {
		s := serve(t, all("recorded")) // which knows nothing of settings

		got := runExport(t, s.URL, `{"settings":`+settings+"}\n"+log+"\n")

		require.NoError(t, got.err, settings)
		assert.Equal(t, map[importer.Outcome]int64{importer.Recorded: 1, importer.Invalid: 1}, got.Outcomes, settings)
		require.Len(t, got.rejects, 1, settings)
		assert.Equal(t, 1, got.rejects[0].Line, settings)
		assert.Equal(t, []importer.FieldProblem{{Location: "user_id", Message: "must be the UUID of a learner"}}, got.rejects[0].Errors, settings)
	}
}

// The service says what is wrong with them, as with any line that it doesn't know.
func TestALineOfAnExportThatRepeatsANameIsSentAsItIs(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`{"settings":{"user_id":"` + learner + `"},"settings":{"user_id":"` + learner + `","freeze_days":3}}`,
		`{"settings":{"user_id":"u","user_id":"` + learner + `"}}`,
		`{"learning_log":{"request_id":"r","user_id":"u","word_count":5,"timestamp":"t","word_count":6}}`,
	} {
		s := serve(t, all("invalid"))

		got := runExport(t, s.URL, line+"\n")

		require.NoError(t, got.err)
		assert.Equal(t, [][]string{{line}}, s.received())
		assert.EqualValues(t, 1, got.Outcomes[importer.Invalid])
	}
}

func TestNamesInAnExportMustMatchExactly(t *testing.T) {
	t.Parallel()
	s := serve(t, all("recorded"))

	got := runExport(t, s.URL, `{"learning_log":{"request_id":"r","user_id":"u","USER_ID":"v","word_count":5,"timestamp":"t"}}`+"\n")

	require.NoError(t, got.err)
	assert.Equal(t, [][]string{{full}}, s.received())
}

func TestSettingsAreNoLogsToTakeBack(t *testing.T) {
	t.Parallel()
	s := serveAt(t, "/v1/learning-logs/void", all("voided"))
	input, err := importer.Open(strings.NewReader(`{"settings":{"user_id":"u","freeze_days":1}}`+"\n"), "", importer.NDJSON, importer.Voiding())
	require.NoError(t, err)

	got := runInput(t, s.URL, input, time.Minute)

	require.NoError(t, got.err)
	assert.Empty(t, got.Outcomes)
}
