package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"learninglog/command"
	"learninglog/internal/access"
	"learninglog/internal/caller"
	"learninglog/internal/problem"
)

// identities are known by their Authorization.
type identities map[string]*access.Identity

func (i identities) IsStillKnown(*http.Request) error { return nil }

func (i identities) Identify(r *http.Request) (*access.Identity, error) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		return nil, nil //nolint:nilnil // nobody
	}
	if known := i[authorization]; known != nil {
		return known, nil
	}
	return nil, access.ErrUnknown
}

func (identities) Forget(http.ResponseWriter, *http.Request) {}

func (identities) LoginPath() string { return "" }

func withPace(name string, pace *rate.Limiter) *access.Identity {
	return &access.Identity{Name: name, Scopes: access.Scopes(), Caller: caller.Named(name), Pace: pace}
}

// requestFrom is a request with an Authorization, if any, from an address.
func requestFrom(address byte, authorization, method, target, body string) *http.Request {
	request := httptest.NewRequest(method, target, strings.NewReader(body))
	request = request.WithContext(from(request.Context(), address))
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	return request
}

func answerTo(handler http.Handler, request *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func assertQuotaExceeded(t *testing.T, answer *httptest.ResponseRecorder, leastSeconds, mostSeconds int) {
	t.Helper()
	require.Equal(t, http.StatusTooManyRequests, answer.Code, "%s", answer.Body)
	assert.Equal(t, problem.QuotaExceeded.Path(), problemOf(t, answer).Type)
	seconds, err := strconv.Atoi(answer.Header().Get("Retry-After"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, seconds, leastSeconds)
	assert.LessOrEqual(t, seconds, mostSeconds)
}

const aTarget = `{"request_id":"` + aUser + `","user_id":"` + aUser + `"}`

// The database is away, so what isn't refused is answered 503.
func TestPostsBeyondThePaceAreRefused(t *testing.T) {
	t.Parallel()
	voidPath := pathOf(uuid.New(), "/learning-logs/"+uuid.NewString())
	for name, one := range map[string]struct{ method, target, body string }{
		"a log":             {http.MethodPost, RecordPath, aLog},
		"an array":          {http.MethodPost, RecordPath + "/batch", "[" + aLog + "]"},
		"a void":            {http.MethodDelete, voidPath, ""},
		"an array of voids": {http.MethodPost, RecordPath + "/void", "[" + aTarget + "]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const slow, burst = 0.1, 3
			config := newConfig(errAway)
			config.Access = identities{"slow": withPace("slow", rate.NewLimiter(slow, burst)), "quick": withPace("quick", nil)}
			handler, err := New(config)
			require.NoError(t, err)
			call := func(who string) *httptest.ResponseRecorder {
				return answerTo(handler, requestFrom(1, who, one.method, one.target, one.body))
			}
			for range burst {
				assert.Equal(t, http.StatusServiceUnavailable, call("slow").Code)
			}
			assertQuotaExceeded(t, call("slow"), 9, 10)
			assert.Equal(t, http.StatusServiceUnavailable, call("quick").Code, "who has no limit")
		})
	}
}

func TestAnArrayIsChargedAsAWhole(t *testing.T) {
	t.Parallel()
	const slow, burst = 0.1, 3
	config := newConfig(errAway)
	config.Access = identities{"slow": withPace("slow", rate.NewLimiter(slow, burst))}
	handler, err := New(config)
	require.NoError(t, err)
	post := func(logs int) *httptest.ResponseRecorder {
		body := "[" + strings.TrimSuffix(strings.Repeat(aLog+",", logs), ",") + "]"
		return answerTo(handler, requestFrom(1, "slow", http.MethodPost, RecordPath+"/batch", body))
	}
	assert.Equal(t, http.StatusServiceUnavailable, post(2).Code)
	assertQuotaExceeded(t, post(2), 9, 10)
	assert.Equal(t, http.StatusServiceUnavailable, post(1).Code, "what was refused cost nothing")
	assertQuotaExceeded(t, post(100), 29, 30)
	assertQuotaExceeded(t, post(1), 9, 10)
}

func TestWhoHasNoLimitOfTheirOwnHasThatOfTheService(t *testing.T) {
	t.Parallel()
	config := newConfig(errAway)
	config.LogsPerSecond = 1
	everything := "[" + strings.TrimSuffix(strings.Repeat("0,", maxArray), ",") + "]"
	open, err := New(config)
	require.NoError(t, err)
	config.Access = identities{"a": withPace("a", nil), "b": withPace("b", nil), "own": withPace("own", rate.NewLimiter(1, 2*maxArray))}
	closed, err := New(config)
	require.NoError(t, err)
	post := func(handler http.Handler, address byte, who string) *httptest.ResponseRecorder {
		return answerTo(handler, requestFrom(address, who, http.MethodPost, RecordPath+"/batch", everything))
	}

	assert.Equal(t, http.StatusOK, post(open, 1, "").Code)
	assertQuotaExceeded(t, post(open, 1, ""), maxArray-60, maxArray)
	assert.Equal(t, http.StatusOK, post(open, 2, "").Code, "another address")

	assert.Equal(t, http.StatusOK, post(closed, 1, "a").Code)
	assertQuotaExceeded(t, post(closed, 2, "a"), maxArray-60, maxArray)
	assert.Equal(t, http.StatusOK, post(closed, 1, "b").Code, "another name at the same address")
	for range 2 {
		assert.Equal(t, http.StatusOK, post(closed, 1, "own").Code)
	}
}

func TestAPageThatTakesLogsBackIsCharged(t *testing.T) {
	t.Parallel()
	config := newConfig(errAway)
	config.Access = identities{"slow": withPace("slow", rate.NewLimiter(0.1, 1))}
	config.Pages.Void = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSeeOther) })
	config.Pages.Fail = func(w http.ResponseWriter, r *http.Request, err error) {
		config.Problems.Of(r.Context(), err, "").WriteJSON(w)
	}
	handler, err := New(config)
	require.NoError(t, err)
	path := "/users/" + aUser + "/learning-logs/" + uuid.NewString() + "/void"
	assert.Equal(t, http.StatusSeeOther, answerTo(handler, requestFrom(1, "slow", http.MethodPost, path, "")).Code)
	assertQuotaExceeded(t, answerTo(handler, requestFrom(1, "slow", http.MethodPost, path, "")), 9, 10)
}

func TestAStreamIsReadAtItsPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const perSecond, burst, logs = 50, 10, 510
		reader := newLineReader(rate.NewLimiter(perSecond, burst), func(index int, _ []byte) postedLog { return unreadableLog(index) })
		begun := time.Now()
		reader.start(strings.NewReader(strings.Repeat("x\n", logs)))
		got, blocks := 0, 0
		for ; got < logs; blocks++ {
			block, err := reader.take()
			require.NoError(t, err)
			got += len(block)
			_, slow := reader.speed()
			assert.False(t, slow, "the service is slow, and not the client")
		}
		assert.InDelta(t, (logs-burst)/perSecond, time.Since(begun).Seconds(), 0.2)
		assert.Less(t, blocks, logs/4, "logs share commits")
		<-reader.done
	})
}

// Even one who may write less than a stream must has its place.
func TestAStreamThatWaitsForItsPaceIsNotSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := newLineReader(rate.NewLimiter(1, 1), func(index int, _ []byte) postedLog { return unreadableLog(index) })
		reader.start(strings.NewReader(strings.Repeat("x\n", 100)))
		for range 30 {
			block, err := reader.take()
			require.NoError(t, err)
			assert.Len(t, block, 1)
			time.Sleep(100 * time.Millisecond)
			_, slow := reader.speed()
			assert.False(t, slow)
		}
		begun := time.Now()
		reader.stop(command.ErrStopped)
		<-reader.done
		assert.Zero(t, time.Since(begun), "it stops at once")
		_, err := reader.take()
		assert.ErrorIs(t, err, command.ErrStopped)
	})
}

// withAddresses makes each connection come from another address.
func withAddresses(server *http.Server) {
	connections := byte(0)
	server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		connections++
		return from(ctx, connections)
	}
}

func TestKeysHaveSharesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*http.Server)
	}{"at one address": {asItIs}, "at many": {withAddresses}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newStreamServer(t, time.Minute, test.change)
			server.api.Access = identities{"one": withPace("one", nil), "other": withPace("other", nil)}
			for range maxStreamsEach {
				server.connectAs(t, "one")
			}
			has := func(who string) int {
				server.api.streams.places.mu.Lock()
				defer server.api.streams.places.mu.Unlock()
				return server.api.streams.places.callers[caller.Named(who)]
			}
			require.Eventually(t, func() bool { return has("one") == maxStreamsEach }, time.Minute, time.Millisecond)
			assert.True(t, server.api.streams.places.isShareTaken(caller.Named("one")))
			server.connectAs(t, "other")
			require.Eventually(t, func() bool { return has("other") == 1 }, time.Minute, time.Millisecond)
		})
	}
}

func (s streamServer) connectAs(t *testing.T, who string) {
	t.Helper()
	connection := s.dial(t)
	_, err := fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n",
		batchPath, who, mediaNDJSON)
	require.NoError(t, err)
	sendLine(t, connection, "nonsense")
}

func TestKeysHaveSharesOfTheirOwnInTheQueue(t *testing.T) {
	t.Parallel()
	database := stuck{queries: make(chan struct{}, 100), answers: make(chan struct{})}
	config := newConfig(nil)
	const room = 8
	config.Recorder = command.NewRecorder(database, command.Config{Limits: config.Limits, Lanes: 1, MaxBatch: 1, MaxWaiting: room})
	config.Access = identities{"one": withPace("one", nil), "other": withPace("other", nil)}
	config.RequestTimeout = time.Minute
	handler, err := New(config)
	require.NoError(t, err)
	answers := make(chan int, 100)
	post := func(address byte, who string) {
		answer := answerTo(handler, requestFrom(address, who, http.MethodPost, RecordPath, newLogOfAnybody()))
		answers <- answer.Code
	}
	go post(1, "one") // is being written
	<-database.queries
	for n := range byte(room / 2) {
		go post(n, "one")
	}
	require.Eventually(t, func() bool { return config.Recorder.Waiting() == room/2 }, time.Minute, time.Millisecond)
	post(100, "one")
	require.Equal(t, http.StatusServiceUnavailable, <-answers, "whatever address it comes from")

	go post(1, "other")
	require.Eventually(t, func() bool { return config.Recorder.Waiting() == room/2+1 }, time.Minute, time.Millisecond)
	assert.Empty(t, answers)
	close(database.answers)
	for range room/2 + 2 {
		<-answers
	}
}
