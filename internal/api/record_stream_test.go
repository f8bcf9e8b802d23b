package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/command"
)

const batchPath = "/v1/learning-logs/batch"

// streamServer is the handler behind a real connection. No valid log is sent to it,
// so it needs no database. Its log says how the requests ended.
type streamServer struct {
	*httptest.Server

	api *server
	log *logBuffer
}

func newStreamServer(t testing.TB, timeout time.Duration, change func(*http.Server)) streamServer {
	t.Helper()
	return newStreamServerOf(t, command.NewRecorder(away{errAway}, command.Config{}), timeout, change)
}

func newStreamServerOf(
	t testing.TB, recorder *command.Recorder, timeout time.Duration, change func(*http.Server),
) streamServer {
	t.Helper()
	log := new(logBuffer)
	s, router, err := newServer(Config{
		Recorder:       recorder,
		Limits:         command.DefaultLimits(),
		Problems:       newProblems(slog.New(slog.DiscardHandler)),
		RequestTimeout: 10 * time.Second,
		AllowedHosts:   []string{"x", "localhost"},
		Requests:       nobody{},
		Metrics:        prometheus.NewRegistry(),
		Stopping:       context.Background(),
		Logger:         slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	require.NoError(t, err)
	s.streamTimeout = timeout
	server := httptest.NewUnstartedServer(router)
	change(server.Config)
	server.Start()
	t.Cleanup(server.Close)
	return streamServer{server, s, log}
}

func asItIs(*http.Server) {}

func (s streamServer) dial(t testing.TB) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(20*time.Second)))
	return connection
}

// connect opens a connection and begins a stream of unknown length.
func (s streamServer) connect(t testing.TB) net.Conn {
	t.Helper()
	connection := s.dial(t)
	_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
		batchPath, mediaNDJSON)
	require.NoError(t, err)
	return connection
}

func sendLine(t testing.TB, connection net.Conn, line string) {
	t.Helper()
	_, err := fmt.Fprintf(connection, "%x\r\n%s\n\r\n", len(line)+1, line)
	require.NoError(t, err)
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// The timeouts of the server are for whole requests. A stream that makes progress
// outlives them.
func TestAStreamOutlivesTheTimeoutsOfRequests(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	server := newStreamServer(t, time.Minute, func(server *http.Server) {
		server.ReadTimeout, server.WriteTimeout = timeout, timeout
	})
	connection := server.connect(t)
	answer := bufio.NewReader(connection)
	begun := time.Now()
	for index := 0; time.Since(begun) < 2*timeout; index++ {
		sendLine(t, connection, "nonsense")
		expected := fmt.Sprintf(`"index":%d,`, index)
		for line := ""; !strings.Contains(line, expected); {
			var err error
			line, err = answer.ReadString('\n')
			require.NoError(t, err, "outcome %d, after %s", index, time.Since(begun))
		}
	}
}

func TestAClientThatStopsSendingIsCutOff(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, 500*time.Millisecond, asItIs)

	silent := server.connect(t)
	answer, err := io.ReadAll(silent)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 408 "), "nothing was sent: %s", answer)
	assert.Contains(t, string(answer), "/problems/request-timeout")

	stopping := server.connect(t)
	sendLine(t, stopping, "nonsense")
	answer, err = io.ReadAll(stopping)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 200 "), "%s", answer)
	assert.Contains(t, string(answer), `"index":0,`)
	assert.True(t, strings.HasSuffix(string(answer), "\r\n0\r\n\r\n"), "what was answered is whole: %s", answer)
}

func TestAClientThatStopsReadingIsCutOff(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, 500*time.Millisecond, asItIs)
	connection := server.connect(t)
	line := `{"request_id":"` + strings.Repeat("x", 90) + `"}` // its outcome is longer
	var err error
	for err == nil {
		_, err = fmt.Fprintf(connection, "%x\r\n%s\n\r\n", len(line)+1, line)
	}
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is cut, not held")
}

// A client forgets a log that is invalid, or doesn't send it again. Half a log is that only if
// there is no more of it.
func TestHalfALineIsNoLogUnlessTheBodyEndsThere(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	half := aLog[:len(aLog)/2]
	post := func(body string, more int, encoding string) string {
		connection := server.dial(t)
		_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Encoding: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			batchPath, mediaNDJSON, encoding, len(body)+more, body)
		require.NoError(t, err)
		require.NoError(t, connection.(*net.TCPConn).CloseWrite()) //nolint:forcetypeassert // it was dialled so
		answer, err := io.ReadAll(connection)
		require.NoError(t, err)
		return string(answer)
	}

	ended := post("nonsense\n"+half, 0, "identity")
	assert.Contains(t, ended, `"index":1,"outcome":"invalid"`)

	compressed := gzipped("nonsense\n" + half)
	for encoding, body := range map[string]string{"identity": "nonsense\n" + half, "gzip": compressed[:len(compressed)-1]} {
		brokeOff := post(body, 1, encoding)
		assert.Contains(t, brokeOff, "HTTP/1.1 200 ", encoding)
		assert.Contains(t, brokeOff, `"index":0,"outcome":"invalid"`, encoding)
		assert.NotContains(t, brokeOff, `"index":1`, encoding)
	}
	for encoding, body := range map[string]string{"identity": half, "gzip": compressed[:5]} {
		brokeOff := post(body, 1, encoding)
		assert.Contains(t, brokeOff, "HTTP/1.1 408 ", "nothing has arrived: %s", encoding)
		assert.Contains(t, brokeOff, "/problems/request-timeout", encoding)
	}
}

func TestAStreamIsLoggedAndNamedLikeAnyRequest(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+batchPath, strings.NewReader("nonsense\n"))
	require.NoError(t, err)
	request.Header.Set("Content-Type", mediaNDJSON)
	request.Header.Set("X-Request-Id", "abc-123")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	assert.Equal(t, "abc-123", response.Header.Get("X-Request-Id"))
	assert.Equal(t, []string{mediaNDJSON}, response.Header["Content-Type"])
	assert.False(t, response.Close, "a body that was read whole leaves the connection to the next request")
	require.Eventually(t, func() bool { return strings.Contains(server.log.String(), "http_request_id=abc-123") }, time.Minute, time.Millisecond)
	assert.Contains(t, server.log.String(), fmt.Sprintf("status=200 bytes=%d", len(body)))
}

// stuck is a database that answers only when it is told to, and then that it is
// unavailable. It reports every query.
type stuck struct {
	away

	queries, answers chan struct{}
}

func (s stuck) Query(ctx context.Context, _ string, _ ...any) (pgx.Rows, error) {
	select {
	case s.queries <- struct{}{}:
	case <-ctx.Done():
	}
	select {
	case <-s.answers:
	case <-ctx.Done():
	}
	return nil, errAway
}

func TestAStreamWaitsWhileTooManyLogsWaitToBeWritten(t *testing.T) {
	t.Parallel()
	database := stuck{queries: make(chan struct{}), answers: make(chan struct{})}
	counted := new(refusals)
	recorder := command.NewRecorder(database, command.Config{Lanes: 1, MaxWaiting: 1, Observer: counted})
	server := newStreamServerOf(t, recorder, time.Minute, asItIs)
	begun := server.connect(t)
	sendLine(t, begun, "nonsense")
	answer := bufio.NewReader(begun)
	for line := ""; !strings.Contains(line, `"index":0,`); {
		var err error
		line, err = answer.ReadString('\n')
		require.NoError(t, err)
	}
	// One log is being written and another one waits, so there is no room for a
	// third.
	var others sync.WaitGroup
	others.Go(func() { recorder.Record(context.Background(), []command.Log{aReadLog()}) })
	<-database.queries
	others.Go(func() { recorder.Record(context.Background(), []command.Log{aReadLog()}) })
	require.Eventually(t, func() bool { return recorder.Waiting() == 1 }, time.Minute, time.Millisecond)

	sendLine(t, begun, aLog)
	require.Eventually(t, func() bool { return taken(server.api.recording) > 0 }, time.Minute, time.Millisecond)
	database.answers <- struct{}{}
	<-database.queries
	database.answers <- struct{}{}
	others.Wait()
	<-database.queries // the stream's own query
	database.answers <- struct{}{}
	rest, err := io.ReadAll(answer)
	require.NoError(t, err)
	assert.Contains(t, string(rest), `"index":1,`)
	assert.Zero(t, counted.failed.Load(), "none was refused")
	assert.EqualValues(t, 1, counted.invalid.Load(), "what is no log is counted once")
}

// refusals counts the logs that were in no batch.
type refusals struct{ failed, invalid atomic.Int64 }

func (*refusals) LookedUp(command.Lookup) {}
func (*refusals) Wrote(command.Batch)     {}
func (*refusals) RefusedVoids(int)        {}

func (r *refusals) Refused(status command.Status, logs int) {
	if status == command.Invalid {
		r.invalid.Add(int64(logs))
	} else {
		r.failed.Add(int64(logs))
	}
}

// taken returns how many places are taken.
func taken(p *places) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

func aReadLog() command.Log {
	return command.Log{RequestID: uuid.New(), UserID: uuid.New(), WordCount: 1}
}

// The unread rest of a body must not be taken for the next request.
func TestAProblemEndsTheConnection(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	connection := server.connect(t)
	sendLine(t, connection, aLog)
	answer, err := io.ReadAll(connection)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 503 "), "the database is away: %s", answer)
	assert.Contains(t, string(answer), "\r\nConnection: close\r\n")
	assert.Contains(t, string(answer), "\r\nRetry-After: ")
	assert.NotContains(t, string(answer), "secret")
}

func startReader(body io.Reader, read func(int, []byte) postedLog) *lineReader {
	reader := newLineReader(nil, read)
	reader.start(body)
	return reader
}

func TestAPanicWhileAStreamIsReadIsAProblem(t *testing.T) {
	t.Parallel()
	reader := startReader(strings.NewReader("a line\n"), func(int, []byte) postedLog { panic("a secret") })
	_, err := reader.take()
	require.ErrorIs(t, err, errPanicked)
	assert.ErrorIs(t, readingProblem(err), errPanicked, "which is logged, and tells the client nothing")
	<-reader.done
}

// A block contains what arrived while the previous one was being recorded, up to the
// limit.
func TestBlocksAreBounded(t *testing.T) {
	t.Parallel()
	var read int
	reader := startReader(strings.NewReader(strings.Repeat("x\n", 5*maxBlock/2)), func(index int, _ []byte) postedLog {
		read++
		return unreadableLog(index)
	})
	for _, want := range []int{maxBlock, maxBlock, maxBlock / 2} {
		block, err := reader.take()
		require.NoError(t, err)
		assert.Len(t, block, want)
	}
	_, err := reader.take()
	assert.Equal(t, io.EOF, err)
	<-reader.done
	assert.Equal(t, 5*maxBlock/2, read)
}

// blocked is a response that the client doesn't read until released is closed.
type blocked struct {
	*httptest.ResponseRecorder

	released chan struct{}
}

func (b blocked) Write(text []byte) (int, error) {
	<-b.released
	return b.ResponseRecorder.Write(text)
}

// Most clients read only after they have sent everything. The buffer has room for
// the outcomes of as many logs as an array may have, but not for more.
func TestOutcomesThatAreNotReadHaveRoom(t *testing.T) {
	t.Parallel()
	client := blocked{httptest.NewRecorder(), make(chan struct{})}
	sender := newOutcomeSender(client, newDeadlines(http.NewResponseController(client), time.Minute), new(atomic.Int64))
	outcome := strings.Repeat("x", 400) + "\n" // the outcome of an already recorded log
	for range maxArray {
		require.True(t, sender.send([]byte(outcome)), "without waiting")
	}

	var taken atomic.Int64
	const tooMany = maxUnread / 400
	all := make(chan struct{})
	go func() {
		defer close(all)
		for range tooMany {
			sender.send([]byte(outcome))
			taken.Add(int64(len(outcome)))
		}
	}()
	select {
	case <-all:
		assert.Fail(t, "what isn't read is bounded")
	case <-time.After(50 * time.Millisecond): // it waits
	}
	assert.LessOrEqual(t, maxArray*len(outcome)+int(taken.Load()), maxUnread+len(outcome), "with what is being sent")
	close(client.released)
	<-all
	require.NoError(t, sender.close())
	assert.Equal(t, maxArray+tooMany, strings.Count(client.Body.String(), "\n"))
}

// exploding is a response that can't be written.
type exploding struct{ *httptest.ResponseRecorder }

func (exploding) Write([]byte) (int, error) { panic("bang") }

func TestAPanicWhileOutcomesAreSentEndsTheStream(t *testing.T) {
	t.Parallel()
	client := exploding{httptest.NewRecorder()}
	var buffered atomic.Int64
	sender := newOutcomeSender(client, newDeadlines(http.NewResponseController(client), time.Minute), &buffered)
	sender.send([]byte("an outcome\n"))

	assert.ErrorContains(t, sender.close(), "bang")

	assert.False(t, sender.send([]byte("another\n")))
	assert.Zero(t, buffered.Load(), "it takes no room from others")
}
