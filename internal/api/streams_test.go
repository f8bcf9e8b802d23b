package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A stream keeps its place by its logs, not by being open.
func TestASlowStreamGivesItsPlaceToOneThatWaits(t *testing.T) {
	t.Parallel()
	server := newStreamServer(t, time.Minute, asItIs)
	var slow []net.Conn
	for range maxStreamsEach {
		connection := server.connect(t)
		sendLine(t, connection, "nonsense")
		slow = append(slow, connection)
	}
	require.Eventually(t, func() bool { return taken(server.api.streams.places) == maxStreamsEach }, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool {
		server.api.streams.mu.Lock()
		defer server.api.streams.mu.Unlock()
		for st := range server.api.streams.open {
			if _, slow := st.reader.speed(); !slow {
				return false
			}
		}
		return true
	}, time.Minute, 10*time.Millisecond, "after some seconds without a log")

	fresh := server.connect(t)
	sendLine(t, fresh, "nonsense")
	answer := bufio.NewReader(fresh)
	for line := ""; !strings.Contains(line, `"index":0,`); {
		var err error
		line, err = answer.ReadString('\n')
		require.NoError(t, err)
	}

	ended := 0
	for _, connection := range slow {
		require.NoError(t, connection.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		text, _ := io.ReadAll(connection)
		if strings.HasSuffix(string(text), "\r\n0\r\n\r\n") {
			ended++
			assert.Contains(t, string(text), `"index":0,`, "what it had sent is answered")
		}
	}
	assert.Equal(t, 1, ended)
}

// Blank lines are no logs.
func TestAStreamWithoutLogsIsCutOff(t *testing.T) {
	t.Parallel()
	const timeout = 500 * time.Millisecond
	server := newStreamServer(t, timeout, asItIs)
	connection := server.connect(t)
	begun := time.Now()
	go func() {
		for {
			if _, err := fmt.Fprintf(connection, "1\r\n\n\r\n"); err != nil {
				return
			}
			time.Sleep(timeout / 10)
		}
	}()
	answer, err := io.ReadAll(connection)
	if err == nil {
		assert.True(t, strings.HasPrefix(string(answer), "HTTP/1.1 408 "), "%s", answer)
	}
	assert.Less(t, time.Since(begun), 20*timeout)
}

// A client may close its sending side, and wait for the answer.
func TestAHalfClosedConnectionIsAnswered(t *testing.T) {
	t.Parallel()
	s := newService(t, time.UTC)
	server := newHTTPServer(t, s.handler)
	for i := range 40 {
		for path, body := range map[string]string{RecordPath: newLogOfAnybody(), batchPath: "[" + newLogOfAnybody() + "]"} {
			connection, err := net.Dial("tcp", server)
			require.NoError(t, err)
			_, err = fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
				path, mediaJSON, len(body), body)
			require.NoError(t, err)
			tcp, _ := connection.(*net.TCPConn)
			require.NoError(t, tcp.CloseWrite())
			answer, err := io.ReadAll(io.LimitReader(connection, 12))
			require.NoError(t, err)
			assert.Contains(t, []string{"HTTP/1.1 201", "HTTP/1.1 200"}, string(answer), "post %d to %s", i, path)
			require.NoError(t, connection.Close())
		}
	}
}
