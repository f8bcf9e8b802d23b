package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	// hostileAddress is where the hostile client connects from, unless it has a key. All
	// others connect from 127.0.0.1, so the service can tell them apart by their addresses.
	hostileAddress = "127.0.0.2"
	// hostileUsers is a pattern of the users whose logs only a hostile client posts.
	hostileUsers = "0bad0bad-%"
	// reconnectAfter is how long the hostile client waits before it opens a connection
	// again that was closed or refused.
	reconnectAfter = time.Second

	// attackVariable, targetVariable and keyVariable tell the binary of the tests that it
	// is a hostile client, with which attack, of which host:port, and its key if it has one.
	attackVariable = "HOSTILE_ATTACK"
	targetVariable = "HOSTILE_TARGET"
	keyVariable    = "HOSTILE_KEY"
)

// hostileProcess is a hostile client, as the tests see it. It is a process of its own.
// A real one has a machine of its own, so this one gets only the processor time that
// the service and its other callers leave.
type hostileProcess struct {
	t        testing.TB
	command  *exec.Cmd
	commands io.WriteCloser
	reports  *bufio.Reader
}

// prepareAttack returns when the attack can begin.
func prepareAttack(t testing.TB, a attack, base, key string) *hostileProcess {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	h := &hostileProcess{t: t, command: exec.Command("nice", "-n", "19", binary)}
	h.command.Env = append(environment(),
		attackVariable+"="+a.name, targetVariable+"="+strings.TrimPrefix(base, "http://"), keyVariable+"="+key)
	h.command.Stderr = os.Stderr
	h.commands, err = h.command.StdinPipe()
	require.NoError(t, err)
	reports, err := h.command.StdoutPipe()
	require.NoError(t, err)
	h.reports = bufio.NewReader(reports)
	require.NoError(t, h.command.Start())
	t.Cleanup(func() {
		_ = h.command.Process.Kill() // if it hasn't ended
		_ = h.command.Wait()
	})
	_, err = h.reports.ReadString('\n')
	require.NoError(t, err, "the hostile client prepares: %s", a.name)
	return h
}

func (h *hostileProcess) begin() {
	_, err := io.WriteString(h.commands, "begin\n")
	assert.NoError(h.t, err, "the hostile client begins")
}

// stop ends the attack, and returns what the hostile client has achieved.
func (h *hostileProcess) stop() hostileReport {
	var report hostileReport
	assert.NoError(h.t, h.commands.Close())
	assert.NoError(h.t, json.NewDecoder(h.reports).Decode(&report), "the hostile client reports")
	assert.NoError(h.t, h.command.Wait(), "the hostile client ends")
	return report
}

// hostileReport is what a hostile client has achieved.
type hostileReport struct {
	// Answers counts the answers by their status.
	Answers map[int]int
	// Connections counts those that were opened, and Broken those that were refused,
	// or that ended by the service or by an answer that couldn't be read.
	Connections, Broken int
	// Acknowledged is the number of its logs that were acknowledged.
	Acknowledged int
	// Rebuilds has the ids of those that were accepted.
	Rebuilds []int64
}

func (r *hostileReport) add(other hostileReport) {
	if r.Answers == nil {
		r.Answers = make(map[int]int)
	}
	for status, answers := range other.Answers {
		r.Answers[status] += answers
	}
	r.Connections += other.Connections
	r.Broken += other.Broken
	r.Acknowledged += other.Acknowledged
	r.Rebuilds = append(r.Rebuilds, other.Rebuilds...)
}

func (r *hostileReport) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%d connections, %d of them broken; answers:", r.Connections, r.Broken)
	if len(r.Answers) == 0 {
		text.WriteString(" none")
	}
	for _, status := range slices.Sorted(maps.Keys(r.Answers)) {
		fmt.Fprintf(&text, " %d × %d", r.Answers[status], status)
	}
	if r.Acknowledged > 0 {
		fmt.Fprintf(&text, "; %d logs acknowledged", r.Acknowledged)
	}
	return text.String()
}

// attackUntilTold is the main function of the process of a hostile client. It prepares
// an attack, begins when a line arrives on standard input, and stops when that ends, or
// with the process that writes to it.
func attackUntilTold(name, target, key string) {
	named := slices.IndexFunc(attacks(), func(a attack) bool { return a.name == name })
	if named < 0 {
		panic("there is no such attack: " + name)
	}
	client := newHostileClient(target, key)
	begin := attacks()[named].prepare(client)
	fmt.Println("prepared")
	input := bufio.NewReader(os.Stdin)
	if _, err := input.ReadString('\n'); err == nil {
		ctx, stop := context.WithCancel(context.Background())
		begin(ctx)
		_, _ = io.Copy(io.Discard, input)
		stop()
		client.running.Wait()
	}
	if err := json.NewEncoder(os.Stdout).Encode(client.report); err != nil {
		panic(err)
	}
}

// hostileClient opens connections, and asks on them what nobody should.
type hostileClient struct {
	target  string
	key     string
	dialer  net.Dialer
	running sync.WaitGroup

	mu     sync.Mutex
	report hostileReport
}

func newHostileClient(target, key string) *hostileClient {
	c := &hostileClient{target: target, key: key, report: hostileReport{Answers: make(map[int]int)}}
	if key == "" {
		c.dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(hostileAddress)}
	}
	return c
}

// head returns the first lines of a request, with additional headers.
func (c *hostileClient) head(methodAndPath string, headers ...string) []byte {
	lines := append([]string{methodAndPath + " HTTP/1.1", "Host: " + c.target}, headers...)
	if c.key != "" {
		lines = append(lines, "Authorization: Bearer "+c.key)
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// post returns the head of a request with a body of that many bytes.
func (c *hostileClient) post(path, contentType string, length int) []byte {
	return c.head("POST "+path, "Content-Type: "+contentType, fmt.Sprintf("Content-Length: %d", length))
}

// hold keeps that many connections open until ctx ends. Each is used until use returns
// because it is closed.
func (c *hostileClient) hold(ctx context.Context, connections int, use func(number int, connection *hostileConnection)) {
	for number := range connections {
		c.running.Go(func() {
			for ctx.Err() == nil {
				if connection, err := c.connect(ctx); err == nil {
					use(number, connection)
					connection.close()
				}
				if ctx.Err() == nil {
					c.note(func(report *hostileReport) { report.Broken++ })
					pause(ctx, reconnectAfter)
				}
			}
		})
	}
}

func (c *hostileClient) connect(ctx context.Context) (*hostileConnection, error) {
	opened, err := c.dialer.DialContext(ctx, "tcp", c.target)
	if err != nil {
		return nil, err
	}
	c.note(func(report *hostileReport) { report.Connections++ })
	dontClose := context.AfterFunc(ctx, func() { _ = opened.Close() })
	return &hostileConnection{
		Conn: opened, ctx: ctx, client: c, answers: bufio.NewReader(opened),
		close: func() { dontClose(); _ = opened.Close() },
	}, nil
}

func (c *hostileClient) note(change func(*hostileReport)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.report)
}

// hostileConnection is closed when its attack ends.
type hostileConnection struct {
	net.Conn

	ctx     context.Context //nolint:containedctx // it is the attack's, and the connection belongs to the attack
	client  *hostileClient
	answers *bufio.Reader
	close   func()
}

// ask sends a request while it reads the answer, of which it keeps nothing but what
// beginning returns. It reports whether the connection can be used again.
func (c *hostileConnection) ask(request ...[]byte) (status int, beginning []byte, again bool) {
	sent := make(chan error, 1)
	go func() {
		parts := net.Buffers(slices.Clone(request))
		_, err := parts.WriteTo(c.Conn)
		sent <- err
	}()
	status, beginning, again = c.receive()
	if !again {
		_ = c.Close() // it may be that nobody reads the rest of the request
	}
	return status, beginning, <-sent == nil && again
}

// receive reads an answer.
func (c *hostileConnection) receive() (status int, beginning []byte, again bool) {
	const kept = 64
	response, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, nil, false
	}
	defer func() { _ = response.Body.Close() }()
	c.client.note(func(report *hostileReport) { report.Answers[response.StatusCode]++ })
	beginning, _ = io.ReadAll(io.LimitReader(response.Body, kept))
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, beginning, err == nil && !response.Close
}

// waitForTheEnd returns when the connection is closed, or answered.
func (c *hostileConnection) waitForTheEnd() { _, _, _ = c.receive() }

// drip sends a few bytes again and again, until the connection is closed or the attack
// ends.
func (c *hostileConnection) drip(bytes string, every time.Duration) {
	for pause(c.ctx, every) {
		if _, err := io.WriteString(c, bytes); err != nil {
			return
		}
	}
}

// pause returns false if ctx ends first.
func pause(ctx context.Context, duration time.Duration) bool {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
