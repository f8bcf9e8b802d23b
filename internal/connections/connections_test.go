package connections_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/caller"
	"learninglog/internal/connections"
	"learninglog/internal/problem"
)

const (
	eventually, often = 20 * time.Second, 5 * time.Millisecond
	// progress is how long a client may take to read a piece.
	progress = 500 * time.Millisecond
)

// startServer returns the address of a server of /, /caller, /large, /slow and /health.
// /slow is answered when the returned function is called.
func startServer(t *testing.T, limits connections.Limits, settled ...time.Duration) (address string, limiter *connections.Limiter, letGo func()) {
	t.Helper()
	wait := make(chan struct{})
	routes := http.NewServeMux()
	routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	routes.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	routes.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { <-wait })
	routes.HandleFunc("/caller", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, caller.Of(r.Context())) })
	routes.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 64<<20)) })
	server := httptest.NewUnstartedServer(routes)
	limits.Always = []string{"/health"}
	limiter = connections.Limit(server.Config, server.Listener, limits)
	limiter.SetProgress(progress)
	for _, d := range settled {
		limiter.SetSettled(d)
	}
	server.Listener = limiter
	server.Start()
	t.Cleanup(server.Close)
	var once bool
	letGo = func() {
		if !once {
			once = true
			close(wait)
		}
	}
	t.Cleanup(letGo)
	return server.Listener.Addr().String(), limiter, letGo
}

// client is a connection from an address of this machine.
type client struct {
	net.Conn

	answers *bufio.Reader
}

func dial(t *testing.T, from, address string) client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	connection, err := dialer.Dial("tcp", address)
	require.NoError(t, err, "only Linux lets a program use every address of 127.0.0.0/8")
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(eventually)))
	return client{connection, bufio.NewReader(connection)}
}

func (c client) send(request string) {
	_, _ = io.WriteString(c, request)
}

// get returns the status and the body of a path, or 0 if the connection was closed.
func (c client) get(path string) (status int, body string) {
	c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
	return c.answer()
}

func (c client) answer() (status int, body string) {
	answer, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, ""
	}
	return answer.StatusCode, string(text)
}

func (c client) isClosed() bool {
	_, err := c.answers.ReadByte()
	return err == io.EOF || err != nil && strings.Contains(err.Error(), "reset")
}

const one, other = "127.0.0.1", "127.0.0.2"

func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	address, limiter, _ := startServer(t, connections.Limits{Most: 6}, 0)
	honest := dial(t, one, address)
	status, _ := honest.get("/")
	require.Equal(t, http.StatusOK, status)
	oldest := dial(t, other, address)
	for range 20 {
		dial(t, other, address) // and says nothing
	}
	assert.True(t, oldest.isClosed(), "of the one who has too many, the oldest goes")

	status, _ = dial(t, one, address).get("/")
	assert.Equal(t, http.StatusOK, status)
	status, _ = honest.get("/")
	assert.Equal(t, http.StatusOK, status, "an idle connection of another stays")
	open, refused := limiter.Count()
	assert.LessOrEqual(t, open, 6)
	assert.Zero(t, refused)
}

// One who opens connections faster than that only gets fewer.
func TestAConnectionThatWasJustOpenedMakesNoWay(t *testing.T) {
	t.Parallel()
	address, limiter, _ := startServer(t, connections.Limits{Most: 6}, time.Hour)
	var idle []client
	for range 3 {
		idle = append(idle, dial(t, other, address))
	}

	assert.True(t, dial(t, other, address).isClosed())

	status, _ := idle[0].get("/")
	assert.Equal(t, http.StatusOK, status)
	_, refused := limiter.Count()
	assert.Equal(t, 1, refused)
}

func TestOneCallerMayHaveHalfOfTheConnections(t *testing.T) {
	t.Parallel()
	address, limiter, letGo := startServer(t, connections.Limits{Most: 4})
	for range 2 {
		dial(t, other, address).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	require.Eventually(t, func() bool { return limiter.Active() == 2 }, eventually, often)

	assert.True(t, dial(t, other, address).isClosed(), "a third one, while none is idle")
	status, _ := dial(t, one, address).get("/")
	assert.Equal(t, http.StatusOK, status)
	_, refused := limiter.Count()
	assert.Equal(t, 1, refused)
	letGo()
}

func TestHealthIsServedHoweverManyConnectionsThereAre(t *testing.T) {
	t.Parallel()
	address, limiter, letGo := startServer(t, connections.Limits{Most: 2, Reserved: 2}, 0)
	for _, from := range []string{one, other} {
		dial(t, from, address).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	require.Eventually(t, func() bool { return limiter.Active() == 2 }, eventually, often)
	const another = "127.0.0.3"

	status, _ := dial(t, another, address).get("/health")
	assert.Equal(t, http.StatusOK, status)
	// Another address: that connection may not be idle yet, and one caller has half.
	crowded := dial(t, "127.0.0.4", address)
	status, body := crowded.get("/")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, body, problem.Unavailable.Path())
	assert.True(t, crowded.isClosed())

	letGo()
	require.Eventually(t, func() bool {
		status, _ := dial(t, another, address).get("/")
		return status == http.StatusOK
	}, eventually, often, "there is room again")
}

// Otherwise those who come together would close each other's connections.
func TestANewConnectionMakesNoWayForAnother(t *testing.T) {
	t.Parallel()
	address, limiter, letGo := startServer(t, connections.Limits{Most: 3}, time.Hour)
	dial(t, other, address).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	dial(t, "127.0.0.3", address).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	require.Eventually(t, func() bool { return limiter.Active() == 2 }, eventually, often)
	honest := dial(t, one, address)
	require.Eventually(t, func() bool { open, _ := limiter.Count(); return open == 3 }, eventually, often)

	assert.True(t, dial(t, "127.0.0.4", address).isClosed())

	status, _ := honest.get("/")
	assert.Equal(t, http.StatusOK, status)
	letGo()
}

func TestHealthIsServedToACallerWhoHasItsShareOfConnections(t *testing.T) {
	t.Parallel()
	address, limiter, letGo := startServer(t, connections.Limits{Most: 100, Reserved: 2}, time.Hour)
	for range 50 {
		dial(t, one, address).send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	require.Eventually(t, func() bool { return limiter.Active() == 50 }, eventually, often)

	status, _ := dial(t, one, address).get("/health")
	assert.Equal(t, http.StatusOK, status)
	require.Eventually(t, func() bool { open, _ := limiter.Count(); return open == 50 }, eventually, often)
	status, _ = dial(t, one, address).get("/")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	letGo()
}

func TestAClientThatReadsNothingIsCutOff(t *testing.T) {
	t.Parallel()
	address, limiter, _ := startServer(t, connections.Limits{Most: 4})
	dial(t, one, address).send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	require.Eventually(t, func() bool { return limiter.Active() == 1 }, eventually, often)
	assert.Eventually(t, func() bool { open, _ := limiter.Count(); return open == 0 }, eventually, often)
}

func TestAClientMayReadSlowly(t *testing.T) {
	t.Parallel()
	address, _, _ := startServer(t, connections.Limits{Most: 4})
	slow := dial(t, one, address)
	slow.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
	begun, piece, read := time.Now(), make([]byte, 4<<20), 0
	for time.Since(begun) < 3*progress {
		n, err := io.ReadFull(slow.answers, piece)
		require.NoError(t, err, "after %d bytes", read)
		read += n
		time.Sleep(progress / 5) // this client is slow
	}
}

func TestTheCallerIsInTheContext(t *testing.T) {
	t.Parallel()
	address, _, _ := startServer(t, connections.Limits{Most: 4})
	for _, from := range []string{one, other} {
		_, body := dial(t, from, address).get("/caller")
		assert.Equal(t, from, body)
	}
}

func TestARequestWithTwoLengthsIsRefused(t *testing.T) {
	t.Parallel()
	address, _, _ := startServer(t, connections.Limits{Most: 100})
	const chunk = "2\r\nhi\r\n0\r\n\r\n"
	for name, fields := range map[string]string{
		"one after the other":  "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		"the other way around": "transfer-encoding: chunked\r\nCONTENT-LENGTH: 2\r\n",
		"after an empty line":  "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		"far apart":            "Content-Length: 2\r\nX-Long: " + strings.Repeat("x", 5000) + "\r\nTransfer-Encoding: chunked\r\n",
	} {
		for _, again := range []bool{false, true} {
			c := dial(t, one, address)
			if again {
				status, _ := c.get("/")
				require.Equal(t, http.StatusOK, status)
			}
			if name == "after an empty line" {
				c.send("\r\n")
			}
			c.send("POST / HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + chunk)
			status, body := c.answer()
			assert.Equal(t, http.StatusBadRequest, status, "%s, on a connection that was used before: %t", name, again)
			assert.Contains(t, body, problem.NotHTTP.Path())
			assert.True(t, c.isClosed())
		}
	}
	c := dial(t, one, address)
	for range 3 {
		c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n12\r\nContent-Length: 2\n\r\n0\r\n\r\n")
		status, body := c.answer()
		assert.Equal(t, http.StatusOK, status, "the text of a body is no field")
		assert.Equal(t, "Content-Length: 2\n", body)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
		status, _ = c.answer()
		assert.Equal(t, http.StatusOK, status, "nor is the field of another request")
	}
}

// What isn't HTTP never reaches a handler.
func TestNetHTTPsOwnErrorsAreProblems(t *testing.T) {
	t.Parallel()
	address, _, _ := startServer(t, connections.Limits{Most: 100})
	for request, expected := range map[string]struct {
		status int
		detail string
	}{
		"nonsense\r\n\r\n":                  {400, ""},
		"GET / HTTP/1.1\r\n\r\n":            {400, "missing required Host header."},
		"GET / HTTP/3.1\r\nHost: x\r\n\r\n": {505, "unsupported protocol version."},
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2<<20):                {431, ""},
		"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n":                        {417, ""},
		"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a:\r\n", 1000) + "\r\n":      {400, ""},
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n":                {501, ""},
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": {400, ""},
	} {
		c := dial(t, one, address)
		go c.send(request)
		answer, err := http.ReadResponse(c.answers, nil)
		require.NoError(t, err, "%.60q", request)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		var wrong problem.Problem
		require.NoError(t, json.NewDecoder(bytes.NewReader(text)).Decode(&wrong), "%.60q: %s", request, text)
		assert.Equal(t, expected.status, answer.StatusCode, "%.60q", request)
		assert.Equal(t, problem.MediaType, answer.Header.Get("Content-Type"))
		assert.Equal(t, expected.status, wrong.Status)
		assert.Equal(t, problem.NotHTTP.Path(), wrong.Type)
		assert.Equal(t, expected.detail, wrong.Detail)
	}
}

// acceptedFrom is a connection from an address.
type acceptedFrom struct {
	net.Conn

	address net.Addr
}

func (c acceptedFrom) RemoteAddr() net.Addr { return c.address }

// Thousands that are opened at once must not take all processor time at once.
func TestConnectionsOfACallerAreServedAtAPace(t *testing.T) {
	t.Parallel()
	_, limiter, _ := startServer(t, connections.Limits{Most: 10_000})
	from := func(n byte) acceptedFrom { return acceptedFrom{address: &net.TCPAddr{IP: net.IPv4(192, 0, 2, n)}} }
	const served = 2000
	for n := range served {
		turn, ok := limiter.TurnOf(from(1))
		if !ok {
			assert.Greater(t, n, 1000, "so many wait for their turn, at most two seconds")
			break
		}
		if n < 100 {
			assert.Zero(t, turn, "so many are served at once")
		}
		assert.LessOrEqual(t, turn, 2*time.Second)
		assert.Less(t, n, served-1, "others are refused")
	}
	turn, ok := limiter.TurnOf(from(2))
	assert.True(t, ok)
	assert.Zero(t, turn, "another caller's are served at once")
}
