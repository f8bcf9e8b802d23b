package importer_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/importer"
)

// service replaces the real service. A test decides what it answers.
type service struct {
	*httptest.Server

	mu       sync.Mutex
	requests [][]string // the lines of each request
}

// answer returns the outcome for a line of a request, both numbered from 0. An empty
// outcome ends the response.
type answer func(request, line int) (outcome string)

func serve(t testing.TB, become answer) *service {
	t.Helper()
	return serveAt(t, "/v1/learning-logs/batch", become)
}

func serveAt(t testing.TB, path string, become answer) *service {
	t.Helper()
	s := new(service)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, path, r.URL.Path)
		assert.Equal(t, "application/x-ndjson", r.Header.Get("Content-Type"))
		request := s.begin()
		assert.NoError(t, http.NewResponseController(w).EnableFullDuplex())
		w.Header().Set("Content-Type", "application/x-ndjson")
		for line, lines := 0, bufio.NewScanner(r.Body); lines.Scan(); line++ {
			s.add(request, lines.Text())
			outcome := become(request, line)
			if outcome == "" {
				return
			}
			if slices.Contains([]string{"request_id_reused", "replaced_unknown", "unknown"}, outcome) { // the service says no more about these
				_, _ = fmt.Fprintf(w, `{"index":%d,"outcome":"%s"}`+"\n", line, outcome)
				continue
			}
			_, _ = fmt.Fprintf(w, `{"index":%d,"outcome":"%s","retryable":%t,"errors":[{"location":"body[%d].word_count","message":"%s"}]}`+"\n",
				line, outcome, outcome == "failed", line, strings.Repeat("x", 500))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) begin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, nil)
	return len(s.requests) - 1
}

func (s *service) add(request int, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[request] = append(s.requests[request], line)
}

func (s *service) received() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func all(outcome string) answer { return func(int, int) string { return outcome } }

type result struct {
	importer.Progress

	rejects []importer.Reject
	err     error
}

// run imports text into a service that replaces the real one.
func run(t testing.TB, address, text string, retryFor time.Duration) result {
	t.Helper()
	format := importer.NDJSON
	if strings.Contains(text, "request_id") {
		format = importer.CSV
	}
	input, err := importer.Open(strings.NewReader(text), "", format, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)
	return runInput(t, address, input, retryFor)
}

func runInput(t testing.TB, address string, input *importer.Input, retryFor time.Duration) (got result) {
	t.Helper()
	service, err := url.Parse(address)
	require.NoError(t, err)
	sender := importer.NewSender(importer.Config{
		Service:  service,
		Input:    input,
		Reject:   func(reject importer.Reject) error { got.rejects = append(got.rejects, reject); return nil },
		RetryFor: retryFor,
	})
	got.err = sender.Run(t.Context())
	got.Progress = sender.Progress()
	return got
}

func numbered(n int) string {
	var text strings.Builder
	for line := range n {
		fmt.Fprintf(&text, "{%d}\n", line)
	}
	return text.String()
}

func TestWhatIsNotAcknowledgedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, func(request, line int) string {
		switch {
		case request == 0 && line == 3:
			return "" // as if the service was killed or stopped
		case request == 1 && line == 1:
			return "failed"
		default:
			return "recorded"
		}
	})

	got := run(t, s.URL, numbered(6), time.Minute)

	require.NoError(t, got.err)
	assert.Equal(t, [][]string{
		{"{0}", "{1}", "{2}", "{3}"},
		{"{3}", "{4}", "{5}"},
		{"{4}"},
	}, s.received())
	assert.EqualValues(t, 6, got.Outcomes[importer.Recorded])
}

// If the client read only at the end, both sides would wait for each other.
func TestOutcomesAreReadWhileLogsAreSent(t *testing.T) {
	t.Parallel()
	const lines = 20_000 // their outcomes, 12 MB, don't fit into the buffers of any connection
	s := serve(t, all("recorded"))
	got := run(t, s.URL, numbered(lines), time.Minute)
	require.NoError(t, got.err)
	assert.EqualValues(t, lines, got.Outcomes[importer.Recorded])
}

// What was sent is kept until it is acknowledged, so it must be bounded.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	const lines, bytes, most = 600, 40_000, 9 << 20
	s := serve(t, all("recorded"))
	got := run(t, s.URL, strings.Repeat(strings.Repeat("x", bytes)+"\n", lines), time.Minute)
	require.NoError(t, got.err)
	assert.EqualValues(t, lines, got.Outcomes[importer.Recorded])
	for _, request := range s.received() {
		assert.LessOrEqual(t, len(request)*bytes, most)
	}
}

// A line is sent when it has arrived; nobody waits for more lines.
func TestAnInputThatTakesItsTime(t *testing.T) {
	t.Parallel()
	s := serve(t, all("recorded"))
	reader, writer := io.Pipe()
	go func() {
		for line := range 3 {
			_, _ = fmt.Fprintf(writer, "{%d}\n", line)
			for len(s.received()) <= line && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
		}
		_ = writer.Close()
	}()
	input, err := importer.Open(reader, "-", importer.Auto, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)

	got := runInput(t, s.URL, input, time.Minute)

	require.NoError(t, got.err)
	assert.Equal(t, [][]string{{"{0}"}, {"{1}"}, {"{2}"}}, s.received())
}

func TestAServiceThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	var requests []time.Time
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests = append(requests, time.Now())
		if len(requests) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"index":0,"outcome":"recorded"}`)
	}))
	t.Cleanup(s.Close)

	got := run(t, s.URL, "{}", time.Minute)

	require.NoError(t, got.err)
	require.Len(t, requests, 2)
	assert.GreaterOrEqual(t, requests[1].Sub(requests[0]), time.Second, "as long as it asked for")
}

func TestAServiceThatAcknowledgesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*service{
		"one that fails":        serve(t, all("failed")),
		"one that ends at once": serve(t, all("")),
	} {
		got := run(t, s.URL, "{}\n{}\n", 300*time.Millisecond)
		gaveUp, ok := errors.AsType[*importer.GaveUpError](got.err)
		require.True(t, ok, "%s: %v", name, got.err)
		assert.GreaterOrEqual(t, gaveUp.After, 300*time.Millisecond)
		assert.Zero(t, got.Logs(), name)
		assert.Greater(t, len(s.received()), 1, "%s is tried again", name)
	}

	gone := serve(t, all(""))
	gone.Close()
	refused := run(t, gone.URL, "{}", 0)
	assert.ErrorContains(t, refused.err, "connection refused")
}

func TestAServiceThatSaysNothingIsAskedAgain(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, `{"index":0,"outcome":"recorded"}`)
	}))
	t.Cleanup(s.Close)
	input, err := importer.Open(strings.NewReader("{}"), "", importer.NDJSON, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)
	service, err := url.Parse(s.URL)
	require.NoError(t, err)
	sender := importer.NewSender(importer.Config{Service: service, Input: input, RetryFor: time.Minute, AnswerTimeout: patience})
	begun := time.Now()

	require.NoError(t, sender.Run(t.Context()))

	assert.EqualValues(t, 2, requests.Load())
	assert.EqualValues(t, 1, sender.Progress().Outcomes[importer.Recorded])
	assert.GreaterOrEqual(t, time.Since(begun), patience)
	assert.Less(t, time.Since(begun), importer.DefaultAnswerTimeout)
}

// The import gives up if there is no progress, not if it takes long.
func TestEveryAcknowledgementIsProgress(t *testing.T) {
	t.Parallel()
	const lines, patience = 8, 600 * time.Millisecond
	s := serve(t, func(_, line int) string {
		return []string{"recorded", ""}[min(line, 1)]
	})
	begun := time.Now()
	got := run(t, s.URL, numbered(lines), patience)
	require.NoError(t, got.err)
	assert.EqualValues(t, lines, got.Outcomes[importer.Recorded])
	assert.Greater(t, time.Since(begun), patience)
}

func TestWhatIsRefusedAsAWholeIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status            int
		contentType, body string
		says              string
	}{
		"a problem":       {http.StatusForbidden, "application/problem+json", `{"title":"No","detail":"Not you."}`, "403 Forbidden: No. Not you."},
		"another service": {http.StatusOK, "text/html", "<html>", "is the URL right?"},
		"other outcomes":  {http.StatusOK, "application/x-ndjson", `{"index":5,"outcome":"recorded"}`, "is the URL right?"},
		"a redirection":   {http.StatusTemporaryRedirect, "text/html", "", "307"},
	} {
		requests := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", test.contentType)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		}))
		got := run(t, s.URL, "{}", time.Minute)
		s.Close()
		assert.ErrorContains(t, got.err, test.says, name)
		assert.Equal(t, 1, requests, name)
	}
}

func TestAKeyThatEndsEndsTheImport(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_, line int) string {
		return []string{"recorded", "failed", "unauthenticated", "unauthenticated"}[line]
	})

	got := run(t, s.URL, numbered(4), time.Minute)

	require.ErrorIs(t, got.err, importer.ErrKeyNeeded)
	assert.Equal(t, map[importer.Outcome]int64{importer.Recorded: 1}, got.Outcomes)
	assert.Empty(t, got.rejects, "another key may send them")
	assert.Len(t, s.received(), 1)
}

func TestWhenTheContextEndsSoDoesTheImport(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(begun)
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	input, err := importer.Open(strings.NewReader("{}"), "", importer.NDJSON, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)
	service, err := url.Parse(s.URL)
	require.NoError(t, err)

	err = importer.NewSender(importer.Config{Service: service, Input: input, RetryFor: time.Minute}).Run(ctx)

	assert.ErrorIs(t, err, context.Canceled)
}

func TestRejectsSayWhereAndWhy(t *testing.T) {
	t.Parallel()
	s := serve(t, func(_, line int) string {
		return []string{"recorded", "invalid", "request_id_reused", "replaced_unknown", "something new"}[line]
	})
	got := run(t, s.URL, "{1}\n\n {2}\n{3}\n{4}\n{5}\n", time.Minute)
	require.NoError(t, got.err)
	require.Len(t, got.rejects, 4)
	assert.Equal(t, 3, got.rejects[0].Line)
	assert.Equal(t, importer.Invalid, got.rejects[0].Outcome)
	assert.Equal(t, "{2}", got.rejects[0].Entry)
	assert.Equal(t, "word_count", got.rejects[0].Errors[0].Location, "in the line, not in a request")
	assert.Equal(t, importer.RequestIDReused, got.rejects[1].Outcome)
	assert.Equal(t, "request_id", got.rejects[1].Errors[0].Location)
	assert.Contains(t, got.rejects[1].Errors[0].Message, "belongs to another log")
	assert.Equal(t, importer.ReplacedUnknown, got.rejects[2].Outcome)
	assert.Equal(t, "replaces", got.rejects[2].Errors[0].Location)
	assert.Contains(t, got.rejects[2].Errors[0].Message, "names no log of this user that counts")
	assert.Equal(t, map[importer.Outcome]int64{
		importer.Recorded: 1, importer.Invalid: 1, importer.RequestIDReused: 1, importer.ReplacedUnknown: 1, "something new": 1,
	}, got.Outcomes)
	assert.EqualValues(t, 5, got.Logs())
	assert.EqualValues(t, 4, got.Rejected(), "what isn't known to be done is a reject")
}

// Such a log was recorded, and nothing about it has to be mended.
func TestALogThatWasTakenBackSinceIsNoReject(t *testing.T) {
	t.Parallel()
	s := serve(t, all("voided"))
	got := run(t, s.URL, "{}\n", time.Minute)
	require.NoError(t, got.err)
	assert.Equal(t, map[importer.Outcome]int64{importer.Voided: 1}, got.Outcomes)
	assert.EqualValues(t, 1, got.Logs())
	assert.Zero(t, got.Rejected())
	assert.Empty(t, got.rejects)
}

func TestARejectThatCannotBeWrittenEndsTheImport(t *testing.T) {
	t.Parallel()
	s := serve(t, all("invalid"))
	input, err := importer.Open(strings.NewReader("{}"), "", importer.NDJSON, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)
	service, err := url.Parse(s.URL)
	require.NoError(t, err)
	rejects := importer.NewRejectFile(t.TempDir() + "/no/such/directory")

	sender := importer.NewSender(importer.Config{Service: service, Input: input, Reject: rejects.Write, RetryFor: time.Minute})
	err = sender.Run(t.Context())

	_, ok := errors.AsType[*importer.RejectError](err)
	assert.True(t, ok, "%v", err)
	assert.Len(t, s.received(), 1)
	assert.Zero(t, sender.Progress().Logs(), "what nobody can mend doesn't count as done")
	assert.Zero(t, sender.Progress().Bytes)
}

const (
	header = "request_id,user_id,word_count,timestamp\n"
	full   = `{"request_id":"r","user_id":"u","word_count":5,"timestamp":"t"}`
	short  = `{"request_id":"r","user_id":"u","word_count":5}`
)

func TestCSV(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a row":                    {header + "r,u,5,t\n", []string{full}},
		"columns in another order": {"word_count,timestamp,user_id,request_id\n5,t,u,r", []string{full}},
		"no column for it":         {"request_id,user_id,word_count\nr,u,5\n", []string{short}},
		"a zone": {
			"request_id,user_id,word_count,timestamp,time_zone\nr,u,5,t,Asia/Tokyo\n",
			[]string{`{"request_id":"r","user_id":"u","word_count":5,"timestamp":"t","time_zone":"Asia/Tokyo"}`},
		},
		"an offset": {
			"utc_offset,request_id,user_id,word_count\n+09:00,r,u,5\n",
			[]string{`{"request_id":"r","user_id":"u","word_count":5,"utc_offset":"+09:00"}`},
		},
		"logs that replace others": {
			"request_id,user_id,word_count,replaces\nr,u,5,q\nr,u,5,\n",
			[]string{`{"request_id":"r","user_id":"u","word_count":5,"replaces":"q"}`, short},
		},
		"zones and offsets in some rows": {
			"request_id,user_id,word_count,time_zone,utc_offset\nr,u,5,Asia/Tokyo,+09:00\nr,u,5, ,-03:30\nr,u,5,UTC,\nr,u,5,,\n",
			[]string{
				`{"request_id":"r","user_id":"u","word_count":5,"time_zone":"Asia/Tokyo","utc_offset":"+09:00"}`,
				`{"request_id":"r","user_id":"u","word_count":5,"utc_offset":"-03:30"}`,
				`{"request_id":"r","user_id":"u","word_count":5,"time_zone":"UTC"}`,
				short,
			},
		},
		"line breaks of Windows":      {strings.ReplaceAll(header+"r,u,5,t\n", "\n", "\r\n"), []string{full}},
		"quotes":                      {`"request_id","user_id","word_count","timestamp"` + "\n" + `"r","u","5","t"`, []string{full}},
		"a byte order mark":           {"\ufeff" + header + "r,u,5,t", []string{full}},
		"spaces and blank lines":      {"\n" + "request_id, user_id, word_count, timestamp\n\n r , u , 5 , t \n\n", []string{full}},
		"text that JSON must escape":  {header + `"r""` + "\\" + `",u,5,t`, []string{`{"request_id":"r\"\\","user_id":"u","word_count":5,"timestamp":"t"}`}},
		"a header alone":              {header, nil},
		"a row after one that is bad": {header + "r,u,5\n" + `"r,u,5,t` + "\nr,u,five,t\nr,u,5,t", []string{full}},
	} {
		s := serve(t, all("recorded"))
		got := run(t, s.URL, test.text, time.Minute)
		require.NoError(t, got.err, name)
		var sent []string
		for _, request := range s.received() {
			sent = append(sent, request...)
		}
		assert.Equal(t, test.want, sent, name)
	}
}

// Nobody notices otherwise that what was learned long ago counts today.
func TestALogWithAnEmptyTimestampIsRejectedUnlessItIsToldToCountNow(t *testing.T) {
	t.Parallel()
	const (
		without, null, empty = `{"request_id":"r"}`, `{"request_id":"r","timestamp":null}`, `{"request_id":"r","timestamp":""}`
		exported             = `{"learning_log":{"request_id":"r","user_id":"u","word_count":5,"timestamp":""}}`
	)
	for _, test := range []struct {
		format importer.Format
		text   string
		empty  importer.EmptyTimestamp
		sent   []string
		lines  []int // of the rejects
	}{
		{importer.CSV, header + "r,u,5,\nr,u,5,t\nr,u,5,  \n", importer.RejectEmpty, []string{full}, []int{2, 4}},
		{importer.CSV, header + "r,u,5,\nr,u,5,t\nr,u,5,  \n", importer.Now, []string{short, full, short}, nil},
		{importer.CSV, "request_id,user_id,word_count\nr,u,5\n", importer.RejectEmpty, []string{short}, nil},
		{importer.NDJSON, without + "\n" + null + "\n" + empty + "\n", importer.RejectEmpty, []string{without}, []int{2, 3}},
		{importer.NDJSON, without + "\n" + null + "\n" + empty + "\n", importer.Now, []string{without, without, without}, nil},
		{importer.NDJSON, exported + "\n", importer.RejectEmpty, nil, []int{1}},
		{importer.NDJSON, exported + "\n", importer.Now, []string{short}, nil},
	} {
		s := serve(t, all("recorded"))
		input, err := importer.Open(strings.NewReader(test.text), "", test.format, importer.Recording(test.empty))
		require.NoError(t, err)

		got := runInput(t, s.URL, input, time.Minute)

		require.NoError(t, got.err)
		assert.Equal(t, test.sent, slices.Concat(s.received()...), "%s, %s", test.text, test.empty)
		var lines []int
		for _, reject := range got.rejects {
			lines = append(lines, reject.Line)
			assert.Equal(t, importer.Invalid, reject.Outcome)
			require.Len(t, reject.Errors, 1)
			assert.Equal(t, "timestamp", reject.Errors[0].Location)
			assert.Contains(t, reject.Errors[0].Message, "--empty-timestamp now")
			assert.NotEmpty(t, reject.Entry)
		}
		assert.Equal(t, test.lines, lines, "%s, %s", test.text, test.empty)
	}
}

// Fields that the importer doesn't know are the service's business.
func TestNDJSONIsSentAsItIs(t *testing.T) {
	t.Parallel()
	const line = `{"request_id":"r", "time_zone":"Asia/Tokyo","utc_offset":"+09:00", "later":{"a":1}}`
	s := serve(t, all("recorded"))
	input, err := importer.Open(strings.NewReader(line+"\n"), "", importer.NDJSON, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)

	got := runInput(t, s.URL, input, time.Minute)

	require.NoError(t, got.err)
	assert.Equal(t, [][]string{{line}}, s.received())
}

func TestARowThatIsNoLogIsRejectedAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, all("recorded"))
	got := run(t, s.URL, header+
		"r,u,5\n"+
		"r,u,five,t\n"+
		`r,"u,5,t`+"\n"+
		`r,u",5,t`+"\n"+
		strings.Repeat("x", 100_000)+"\n"+
		"r,u,5,t\n", time.Minute)
	require.NoError(t, got.err)
	assert.EqualValues(t, 1, got.Outcomes[importer.Recorded])
	want := []struct {
		line     int
		location string
		message  string
		entry    string
	}{
		{2, "", "must have 4 fields, as the header has, and has 3", "r,u,5"},
		{3, "word_count", "must be a whole number", "r,u,five,t"},
		{4, "", "is broken CSV", `r,"u,5,t`},
		{5, "", "is broken CSV", `r,u",5,t`},
		{6, "", "must have at most 65536 bytes", ""},
	}
	require.Len(t, got.rejects, len(want))
	for n, reject := range got.rejects {
		assert.Equal(t, want[n].line, reject.Line)
		assert.Equal(t, importer.Invalid, reject.Outcome)
		assert.Equal(t, want[n].entry, reject.Entry)
		assert.Equal(t, want[n].location, reject.Errors[0].Location)
		assert.Contains(t, reject.Errors[0].Message, want[n].message)
	}
	assert.EqualValues(t, len(want), got.Outcomes[importer.Invalid])
}

func TestInputsThatCannotBeImported(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, says string }{
		{"", "\n[{}]", "JSON array"},
		{"logs.csv", "", "empty"},
		{"logs.csv", "request_id,user_id,word_count,when\n", `unknown column "when": its header must name request_id, user_id, word_count, and may name timestamp, time_zone, utc_offset, offset_given, replaces, voided_at`},
		{"logs.csv", "request_id;user_id;word_count\n", "separated by commas"},
		{"logs.csv", "request_id,user_id\n", `no column "word_count"`},
		{"logs.csv", "request_id,user_id,word_count,user_id\n", `two columns "user_id"`},
		{"logs.csv", `"request_id` + "\n", "header"},
		{"logs.gz", "\x1f\x8bnonsense", "decompressing"},
	} {
		_, err := importer.Open(strings.NewReader(test.text), test.name, importer.Auto, importer.Recording(importer.RejectEmpty))
		assert.ErrorContains(t, err, test.says, "%q", test.text)
		_, ok := errors.AsType[*importer.HeaderError](err)
		assert.Equal(t, strings.HasSuffix(test.name, ".csv"), ok, "%q", test.text)
	}
	_, err := importer.Open(iotest.ErrReader(errors.New("no such disk")), "", importer.Auto, importer.Recording(importer.RejectEmpty))
	assert.ErrorContains(t, err, "no such disk")
}

func TestFormats(t *testing.T) {
	t.Parallel()
	const csv, json = "request_id,user_id,word_count\nr,u,5\n", "\n {\"a\":1}\n"
	for _, test := range []struct {
		name   string
		format importer.Format
		text   string
		logs   int
	}{
		{"", importer.Auto, csv, 1},
		{"", importer.Auto, json, 1},
		{"", importer.Auto, "", 0},
		{"logs.CSV.gz", importer.Auto, csv, 1},
		{"logs.jsonl", importer.Auto, csv, 2}, // by its name, whatever the content
		{"logs.csv", importer.NDJSON, csv, 2},
		{"logs.json", importer.Auto, json, 1},
	} {
		for _, compressed := range []bool{false, true} {
			text := test.text
			if compressed {
				text = compress(t, text)
			}
			s := serve(t, all("recorded"))
			input, err := importer.Open(iotest.OneByteReader(strings.NewReader(text)), test.name, test.format, importer.Recording(importer.RejectEmpty))
			require.NoError(t, err)
			got := runInput(t, s.URL, input, time.Minute)
			require.NoError(t, got.err)
			assert.EqualValues(t, test.logs, got.Outcomes[importer.Recorded], "%+v", test)
			if test.logs > 0 {
				assert.EqualValues(t, len(text), got.Bytes, "all of what is stored is done: %+v", test)
			}
		}
	}
}

func compress(t testing.TB, text string) string {
	t.Helper()
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, err := io.WriteString(writer, text)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return compressed.String()
}

// What was read before the failure is imported.
func TestAnInputThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := serve(t, all("recorded"))
	input, err := importer.Open(io.MultiReader(strings.NewReader("{1}\n{2}\n{3"), iotest.ErrReader(errors.New("no such disk"))), "", importer.Auto, importer.Recording(importer.RejectEmpty))
	require.NoError(t, err)
	got := runInput(t, s.URL, input, time.Minute)
	assert.ErrorContains(t, got.err, "after line 2: no such disk")
	assert.EqualValues(t, 2, got.Outcomes[importer.Recorded])
}

func TestRejectFile(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/rejects"
	none := importer.NewRejectFile(path)
	require.NoError(t, none.Close())
	assert.NoFileExists(t, path, "there were none")

	file := importer.NewRejectFile(path)
	reject := importer.Reject{Line: 7, Outcome: "invalid", Errors: []importer.FieldProblem{{Message: "<no>"}}, Entry: `{"a":"&"}`}
	require.NoError(t, file.Write(reject))
	require.NoError(t, file.Close())

	var read importer.Reject
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, reject, read)
	assert.Contains(t, string(text), `<no>`, "as a person reads it")
}
