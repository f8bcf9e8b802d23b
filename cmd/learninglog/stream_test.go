package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/pgtest"
)

const (
	batchPath = "/v1/learning-logs/batch"
	ndjson    = "application/x-ndjson"
)

type streamOutcome struct {
	Index     int
	Outcome   string
	Retryable bool
	Errors    []struct{ Location, Message string }
}

// stream is a client that reads outcomes while it sends logs.
type stream struct {
	t        testing.TB
	body     *io.PipeWriter
	answered chan struct{} // closed when the response has begun
	response *http.Response
	err      error
	outcomes *bufio.Reader
	breakOff context.CancelFunc
}

func (s *service) stream() *stream {
	s.t.Helper()
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	st := &stream{t: s.t, body: writer, answered: make(chan struct{}), breakOff: cancel}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+batchPath, reader)
	require.NoError(s.t, err)
	request.Header.Set("Content-Type", ndjson)
	go func() {
		defer close(st.answered)
		st.response, st.err = http.DefaultClient.Do(request) //nolint:bodyclose // its context closes it
		if st.err == nil {
			st.outcomes = bufio.NewReader(st.response.Body)
		}
	}()
	return st
}

func (st *stream) send(lines ...string) {
	st.t.Helper()
	_, err := io.WriteString(st.body, strings.Join(lines, "\n")+"\n")
	require.NoError(st.t, err)
}

// receive returns the next outcome, or nil after the last one.
func (st *stream) receive() *streamOutcome {
	st.t.Helper()
	select {
	case <-st.answered:
	case <-time.After(eventually):
		require.Fail(st.t, "there is no answer")
	}
	require.NoError(st.t, st.err)
	require.Equal(st.t, http.StatusOK, st.response.StatusCode)
	line, err := st.outcomes.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return nil
	}
	require.NoError(st.t, err)
	outcome := new(streamOutcome)
	require.NoError(st.t, json.Unmarshal(line, outcome), "%s", line)
	return outcome
}

// post sends lines as one stream, and returns all outcomes.
func (s *service) post(lines ...string) []streamOutcome {
	s.t.Helper()
	st := s.stream()
	go func() {
		_, _ = io.WriteString(st.body, strings.Join(lines, "\n"))
		_ = st.body.Close()
	}()
	var all []streamOutcome
	for outcome := st.receive(); outcome != nil; outcome = st.receive() {
		all = append(all, *outcome)
	}
	return all
}

func TestAStreamIsAnsweredWhileItIsSent(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	st := s.stream()
	for index := range 3 {
		st.send(newLog(user, 1), "")
		assert.Equal(t, &streamOutcome{Index: index, Outcome: "recorded"}, st.receive())
		words, _ := s.total(user)
		assert.Equal(t, index+1, words, "what has an outcome is counted")
	}
	require.NoError(t, st.body.Close())
	assert.Nil(t, st.receive())
}

func TestAStreamGoesOnAfterLinesThatAreNoLogs(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user, id := uuid.New(), uuid.New()

	outcomes := s.post(
		logWithID(id, user, 1),
		"",
		"{broken",
		strings.Repeat("too long ", 20_000),
		logWithID(id, user, 2),
		"\r",
		newLog(user, -1),
		logWithID(id, user, 1),
		"\xff",
		newLog(user, 5)) // without a line break

	want := []string{
		"recorded", "invalid", "invalid", "request_id_reused", "invalid", "already_recorded", "invalid", "recorded",
	}
	require.Len(t, outcomes, len(want), "one for each line that isn't blank: %v", outcomes)
	for index, outcome := range outcomes {
		assert.Equal(t, index, outcome.Index)
		assert.Equal(t, want[index], outcome.Outcome, "line %d", index)
		assert.False(t, outcome.Retryable)
	}
	assert.Equal(t, "body[2]", outcomes[2].Errors[0].Location)
	assert.Equal(t, "must have at most 65536 bytes", outcomes[2].Errors[0].Message)
	assert.Equal(t, "body[4].word_count", outcomes[4].Errors[0].Location)
	words, entries := s.total(user)
	assert.Equal(t, []int{6, 2}, []int{words, entries})
}

func TestAStreamOfNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	for _, body := range []string{"\n", " \r\n\n"} {
		got, err := s.send(http.MethodPost, batchPath, ndjson, body)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, got.status)
		assert.Empty(t, got.body)
	}
}

// The memory of a stream depends neither on the number of lines nor on their length.
func TestAStreamTakesBoundedMemory(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the service's memory is seen in /proc: run the tests on Linux")
	}
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	const mebibyte = 1 << 20
	lines := 300_000
	if raceDetector {
		lines /= 5
	}
	tooLong := strings.Repeat("x", mebibyte)
	send := func(lines int) {
		st := s.stream()
		go func() {
			body := bufio.NewWriter(st.body)
			for line := range lines {
				switch {
				case line%1000 == 0:
					_, _ = body.WriteString(tooLong + "\n")
				case line%20 == 0:
					_, _ = body.WriteString(newLog(user, 1) + "\n")
				default:
					_, _ = body.WriteString("nonsense\n")
				}
			}
			_ = body.Flush()
			_ = st.body.Close()
		}()
		<-st.answered
		require.NoError(t, st.err)
		received := 0
		for outcomes := bufio.NewScanner(st.outcomes); outcomes.Scan(); {
			received++
		}
		require.Equal(t, lines, received)
	}

	send(lines / 10)
	before := s.peakMemory()
	send(lines)
	grown := s.peakMemory() - before

	t.Logf("at its peak the service had %d MiB, of which the longer stream took %d", s.peakMemory()/mebibyte, grown/mebibyte)
	assert.Less(t, grown, 64*mebibyte, "of a body of %d MiB", lines/1000)
}

// peakMemory returns the peak memory of the service in bytes.
func (s *service) peakMemory() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	require.NoError(s.t, err)
	match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(s.t, match)
	kibibytes, err := strconv.Atoi(string(match[1]))
	require.NoError(s.t, err)
	return kibibytes << 10
}

func TestAStreamThatBrokeOffIsSentAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	lines := make([]string, 5000)
	for i := range lines {
		lines[i] = newLog(user, 1)
	}
	broken := s.stream()
	go func() {
		_, _ = io.WriteString(broken.body, strings.Join(lines[:3000], "\n")+"\n"+lines[3000][:20])
	}()
	assert.Equal(t, "recorded", broken.receive().Outcome)
	broken.breakOff() // in the middle of a line

	counts := make(map[string]int)
	for _, outcome := range s.post(lines...) {
		counts[outcome.Outcome]++
	}

	assert.Equal(t, len(lines), counts["recorded"]+counts["already_recorded"], "%v", counts)
	assert.NotZero(t, counts["already_recorded"])
	words, entries := s.total(user)
	assert.Equal(t, []int{len(lines), len(lines)}, []int{words, entries})
}

// Most clients send everything before they read anything. The buffer has room for
// the outcomes of as many logs as an array may have.
func TestAClientThatReadsOnlyAtTheEnd(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	lines := make([]string, 10_000)
	for i := range lines {
		lines[i] = newLog(user, 1)
	}
	body := strings.Join(lines, "\n")
	for _, outcome := range []string{"recorded", "already_recorded"} { // the latter are longer
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		require.NoError(t, err)
		require.NoError(t, connection.SetDeadline(time.Now().Add(eventually)))
		_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
			batchPath, ndjson, len(body), body)
		require.NoError(t, err, "everything can be sent")

		response, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		answer, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		assert.Equal(t, len(lines), strings.Count(string(answer), `"outcome":"`+outcome+`"`))
		require.NoError(t, response.Body.Close())
		require.NoError(t, connection.Close())
	}
}

func TestAStreamEndsWhereTheDatabaseFails(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.URL(t)
	s := serve(t, "--database-url", databaseURL, "--request-timeout", "2s")
	user := uuid.New()
	failed := newLog(user, 2)
	st := s.stream()
	st.send(newLog(user, 1))
	assert.Equal(t, "recorded", st.receive().Outcome)

	unlock := lockLogs(t, databaseURL)
	st.send("nonsense", failed)
	assert.Equal(t, "invalid", st.receive().Outcome)
	assert.Equal(t, &streamOutcome{Index: 2, Outcome: "failed", Retryable: true}, st.receive())
	assert.Nil(t, st.receive(), "there it ends")

	answer, err := s.send(http.MethodPost, batchPath, ndjson, failed)
	require.NoError(t, err)
	assert.Equal(t, http.StatusServiceUnavailable, answer.status, "nothing was answered yet: %s", answer.body)
	assert.Equal(t, "/problems/unavailable", answer.problem(t).Type)
	assert.NotEmpty(t, answer.header.Get("Retry-After"))

	unlock()
	s.post(failed)
	words, _ := s.total(user)
	assert.Equal(t, 3, words, "sent again, it is counted once")
}

// lockLogs makes the service wait for the database until unlock is called.
func lockLogs(t testing.TB, databaseURL string) (unlock func()) {
	t.Helper()
	blocker, err := pgtest.Open(t, databaseURL).Begin(context.Background())
	require.NoError(t, err)
	_, err = blocker.Exec(context.Background(), `LOCK TABLE learning_log IN EXCLUSIVE MODE`)
	require.NoError(t, err)
	return sync.OnceFunc(func() { require.NoError(t, blocker.Rollback(context.Background())) })
}

func TestStopEndsAStreamAfterItsChunk(t *testing.T) {
	t.Parallel()
	s := serve(t, "--database-url", pgtest.URL(t))
	user := uuid.New()
	slow, silent := s.stream(), s.stream()
	slow.send(newLog(user, 1))
	silent.send("") // sends no line, so the response hasn't begun
	assert.Equal(t, "recorded", slow.receive().Outcome)

	begun := time.Now()
	s.stop()

	assert.Less(t, time.Since(begun), 10*time.Second, "it waits for no client to end what it sends")
	assert.Nil(t, slow.receive(), "the answer ends well")
	<-silent.answered
	require.NoError(t, silent.err)
	assert.Equal(t, http.StatusServiceUnavailable, silent.response.StatusCode)
}
