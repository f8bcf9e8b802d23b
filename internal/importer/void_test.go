package importer_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/importer"
)

const voidPath = "/v1/learning-logs/void"

func openToVoid(t testing.TB, text string) *importer.Input {
	t.Helper()
	input, err := importer.Open(strings.NewReader(text), "", importer.Auto, importer.Voiding())
	require.NoError(t, err)
	return input
}

// So what was imported can be voided as it is.
func TestOnlyWhoseAndWhichLogIsSentToBeVoided(t *testing.T) {
	t.Parallel()
	const want = `{"request_id":"r","user_id":"u"}`
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"CSV":                           {"request_id,user_id\nr,u\n", []string{want}},
		"columns in another order":      {"user_id, request_id\n u , r \n", []string{want}},
		"CSV that was imported":         {"word_count,request_id,timestamp,user_id\nfive,r,t,u\n", []string{want}},
		"columns of somebody else":      {"request_id,when,user_id,when,\nr,t,u,t,\n", []string{want}},
		"NDJSON":                        {want + "\n", []string{want}},
		"NDJSON that was imported":      {`{"user_id":"u","word_count":5,"request_id":"r","later":{"a":1}}`, []string{want}},
		"what the service should judge": {"{\n{}\n{\"request_id\":5}\n[]", []string{"{", "{}", `{"request_id":5}`, "[]"}},
	} {
		s := serveAt(t, voidPath, all("voided"))

		got := runInput(t, s.URL, openToVoid(t, test.text), time.Minute)

		require.NoError(t, got.err, name)
		assert.Equal(t, test.want, slices.Concat(s.received()...), name)
		assert.EqualValues(t, len(test.want), got.Outcomes[importer.Voided], name)
	}
}

func TestCSVWithoutWhoseOrWhichLogCannotBeVoided(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"request_id,word_count\n":         `no column "user_id": its header names request_id, word_count, and must name request_id, user_id, separated by commas`,
		"user_id\n":                       `no column "request_id"`,
		"user_id,request_id,request_id\n": `two columns "request_id"`,
	} {
		_, err := importer.Open(strings.NewReader(text), "", importer.CSV, importer.Voiding())
		assert.ErrorContains(t, err, says)
	}
}

func TestAListOfRequestIDsHasOneALine(t *testing.T) {
	t.Parallel()
	const list = "\ufeff# the wrong ones\r\n\n r1 # twice\r\n#\nr1\nr2#x\n\"r3\"\n"
	for name, text := range map[string]string{"as it is": list, "compressed": compress(t, list)} {
		s := serveAt(t, voidPath, func(_, line int) string {
			return []string{"voided", "already_voided", "unknown", "invalid"}[line]
		})
		input, err := importer.OpenRequestIDs(strings.NewReader(text), "u")
		require.NoError(t, err)

		got := runInput(t, s.URL, input, time.Minute)

		require.NoError(t, got.err)
		assert.Equal(t, []string{
			`{"request_id":"r1","user_id":"u"}`,
			`{"request_id":"r1","user_id":"u"}`,
			`{"request_id":"r2","user_id":"u"}`,
			`{"request_id":"\"r3\"","user_id":"u"}`,
		}, slices.Concat(s.received()...), name)
		require.Len(t, got.rejects, 2, name)
		assert.Equal(t, 6, got.rejects[0].Line, name)
		assert.Equal(t, "r2#x", got.rejects[0].Entry, name)
	}
	_, err := importer.OpenRequestIDs(strings.NewReader("\x1f\x8bnonsense"), "u")
	assert.ErrorContains(t, err, "decompressing")
}

func TestWhatCannotBeVoidedIsRejected(t *testing.T) {
	t.Parallel()
	s := serveAt(t, voidPath, func(_, line int) string {
		return []string{"voided", "already_voided", "unknown", "invalid"}[line]
	})

	got := runInput(t, s.URL, openToVoid(t, "{}\n{}\n\n{\"a\":1}\n{}\n"), time.Minute)

	require.NoError(t, got.err)
	assert.Equal(t, map[importer.Outcome]int64{
		importer.Voided: 1, importer.AlreadyVoided: 1, importer.Unknown: 1, importer.Invalid: 1,
	}, got.Outcomes)
	assert.EqualValues(t, 2, got.Rejected())
	require.Len(t, got.rejects, 2)
	unknown := got.rejects[0]
	assert.Equal(t, importer.Unknown, unknown.Outcome)
	assert.Equal(t, 4, unknown.Line)
	assert.JSONEq(t, `{"a":1}`, unknown.Entry, "as it is in the file")
	assert.Equal(t, []importer.FieldProblem{{Location: "request_id", Message: "belongs to no log of this user"}}, unknown.Errors)
	assert.Equal(t, importer.Invalid, got.rejects[1].Outcome)
}

// A service that restarts, or that has too much to do, is waited for.
func TestWhatIsNotKnownToBeVoidedIsSentAgain(t *testing.T) {
	t.Parallel()
	const logs = 4000
	s := serveAt(t, voidPath, func(request, line int) string {
		switch {
		case request == 0 && line == logs/4:
			return "" // as if the service was killed or stopped
		case request == 1 && line%2 == 0:
			return "failed"
		default:
			return "voided"
		}
	})
	var requests atomic.Int64
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%2 == 1 {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.Config.Handler.ServeHTTP(w, r)
	}))
	t.Cleanup(busy.Close)

	got := runInput(t, busy.URL, openToVoid(t, numbered(logs)), time.Minute)

	require.NoError(t, got.err)
	assert.Equal(t, map[importer.Outcome]int64{importer.Voided: logs}, got.Outcomes)
	assert.Len(t, s.received(), 3)
}
