package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/panjf2000/gnet/v2"
)

// load is a closed loop over HTTP: every client posts or reads, waits for the
// answer, and repeats. Each client has its own connection.
type load struct {
	service *service
	clients int
	// batch is how many logs a post has. A single log is not posted as a batch.
	batch int
	// times is how often each post is sent, if it isn't 0.
	times    int
	users    []uuid.UUID
	newID    func() uuid.UUID
	duration time.Duration
	// path returns what is read, if it is set; then nothing is posted.
	path func(*rand.Rand) string
	// headers are further lines of each request, beside the service's key, or empty.
	headers string
}

// result is the result of a measurement.
type result struct {
	// rate is logs per second.
	rate float64
	// latencies are those of the posts, in ascending order.
	latencies []time.Duration
	// answers are all that came, those before the measurement included.
	answers int
	// bytes is the length of the last answer, including its headers.
	bytes int
	// spent is the processor time of each log or read of these answers.
	spent processorTime
}

const (
	// warmUp is how long the load runs before it is measured.
	warmUp = 500 * time.Millisecond
	// timeout is how long to wait for the last answers.
	timeout = 30 * time.Second
)

// run runs the load for a while. One thread serves all clients in an event loop,
// because the load generator uses the same cores as what it measures.
func (l load) run(ctx context.Context) (result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, warmUp+l.duration+timeout, errors.New("the service doesn't answer"))
	defer cancel()
	before, err := l.service.processorTime()
	if err != nil {
		return result{}, err
	}
	begin := time.Now().Add(warmUp)
	loop := &eventLoop{begin: begin, end: begin.Add(l.duration), ended: make(chan error, l.clients)}
	engine, err := gnet.NewClient(loop, gnet.WithNumEventLoop(1), gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithLogger(silent{}))
	if err != nil {
		return result{}, err
	}
	if err := engine.Start(); err != nil {
		return result{}, err
	}
	clients := make([]*client, l.clients)
	for i := range clients {
		clients[i] = &client{load: l, random: rand.New(rand.NewPCG(uint64(i), uint64(begin.UnixNano())))} //nolint:gosec // not a secret
		if _, err := engine.DialContext("tcp", l.service.address, clients[i]); err != nil {
			return result{}, errors.Join(err, engine.Stop())
		}
	}
	var failures []error
	for range clients {
		select {
		case err := <-loop.ended:
			failures = append(failures, err)
		case <-ctx.Done():
			return result{}, errors.Join(context.Cause(ctx), engine.Stop())
		}
	}
	failures = append(failures, engine.Stop())
	after, err := l.service.processorTime()
	failures = append(failures, err)
	var all []time.Duration
	answers := 0
	for _, client := range clients {
		all = append(all, client.latencies...)
		answers += client.answers
	}
	slices.Sort(all)
	return result{
		rate: float64(len(all)*l.batch) / l.duration.Seconds(), latencies: all, answers: answers, bytes: clients[0].bytes,
		spent: after.each(before, answers*l.batch),
	}, errors.Join(failures...)
}

// eventLoop lets every client post, wait for its answer and post again.
type eventLoop struct {
	gnet.BuiltinEventEngine

	begin, end time.Time
	ended      chan error // one error per client
}

// silent discards the event loop's log; errors that matter are returned.
type silent struct{}

func (silent) Debugf(string, ...any) {}
func (silent) Infof(string, ...any)  {}
func (silent) Warnf(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

// client is one of a load's clients.
type client struct {
	load

	random    *rand.Rand
	posted    time.Time
	latencies []time.Duration
	answers   int
	bytes     int
	sent      int // how often the current post has been
	failure   error

	head, body []byte
}

func (*eventLoop) OnOpen(connection gnet.Conn) ([]byte, gnet.Action) {
	return clientOf(connection).post(time.Now()), gnet.None
}

func (e *eventLoop) OnTraffic(connection gnet.Conn) gnet.Action {
	client := clientOf(connection)
	received, err := connection.Peek(-1)
	if err != nil {
		return client.fail(err)
	}
	status, whole := parseAnswer(received)
	if !whole {
		return gnet.None
	}
	if status != client.expected() {
		return client.fail(fmt.Errorf("answered: %s", received))
	}
	client.answers++
	client.bytes = len(received)
	if _, err := connection.Discard(len(received)); err != nil {
		return client.fail(err)
	}
	now := time.Now()
	if now.After(e.end) {
		return gnet.Close
	}
	if client.posted.After(e.begin) {
		client.latencies = append(client.latencies, now.Sub(client.posted))
	}
	if _, err := connection.Write(client.post(now)); err != nil {
		return client.fail(err)
	}
	return gnet.None
}

func (e *eventLoop) OnClose(connection gnet.Conn, err error) gnet.Action {
	e.ended <- errors.Join(clientOf(connection).failure, err)
	return gnet.None
}

func clientOf(connection gnet.Conn) *client {
	client, _ := connection.Context().(*client)
	return client
}

func (c *client) fail(err error) gnet.Action {
	c.failure = err
	return gnet.Close
}

// parseAnswer returns the status of an answer, if the whole answer has arrived.
// There is never more than one answer at a time.
func parseAnswer(received []byte) (status int, whole bool) {
	const (
		endOfHead   = "\r\n\r\n"
		endOfChunks = "\r\n0\r\n\r\n"
		length      = "\r\nContent-Length: "
		statusAt    = len("HTTP/1.1 ")
		statusEnd   = statusAt + 3
	)
	head, body, ok := bytes.Cut(received, []byte(endOfHead))
	if !ok {
		return 0, false
	}
	if whole = bytes.HasSuffix(received, []byte(endOfChunks)); !whole {
		_, after, _ := bytes.Cut(head, []byte(length))
		number, _, _ := bytes.Cut(after, []byte("\r"))
		n, err := strconv.Atoi(string(number))
		whole = err == nil && len(body) >= n
	}
	status, _ = strconv.Atoi(string(head[statusAt:statusEnd]))
	return status, whole
}

func (c *client) expected() int {
	switch {
	case c.batch > 1 || c.path != nil:
		return http.StatusOK
	case c.sent > 1:
		return http.StatusConflict
	default:
		return http.StatusCreated
	}
}

// post returns the next request.
func (c *client) post(now time.Time) []byte {
	c.posted = now
	return c.next()
}

// next returns the next request, including its body.
func (c *client) next() []byte {
	if c.path != nil {
		c.head = append(c.head[:0], "GET "...)
		c.head = append(c.head, c.path(c.random)...)
		c.head = append(c.head, " HTTP/1.1\r\nHost: localhost\r\n"...)
		c.head = c.appendHeaders(c.head)
		return append(c.head, "\r\n"...)
	}
	if 0 < c.sent && c.sent < c.times {
		c.sent++
		return append(c.head, c.body...)
	}
	c.sent = 1
	c.body = c.body[:0]
	path := "/v1/learning-logs"
	if c.batch == 1 {
		c.body = c.appendLog(c.body)
	} else {
		path += "/batch"
		for i := range c.batch {
			c.body = append(c.body, "[,"[min(i, 1)])
			c.body = c.appendLog(c.body)
		}
		c.body = append(c.body, ']')
	}
	c.head = append(c.head[:0], "POST "...)
	c.head = append(c.head, path...)
	c.head = append(c.head, " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.head = strconv.AppendInt(c.head, int64(len(c.body)), 10)
	c.head = append(c.head, "\r\n"...)
	c.head = c.appendHeaders(c.head)
	c.head = append(c.head, "\r\n"...)
	return append(c.head, c.body...)
}

func (c *client) appendHeaders(to []byte) []byte {
	to = append(to, c.headers...)
	if c.service.key != "" {
		to = append(to, "Authorization: Bearer "...)
		to = append(to, c.service.key...)
		to = append(to, "\r\n"...)
	}
	return to
}

func (c *client) appendLog(to []byte) []byte {
	to = append(to, `{"request_id":"`...)
	to = appendUUID(to, c.newID())
	to = append(to, `","user_id":"`...)
	to = appendUUID(to, c.users[c.random.IntN(len(c.users))])
	to = append(to, `","word_count":`...)
	to = strconv.AppendInt(to, c.random.Int64N(50), 10)
	to = append(to, `,"timestamp":"`...)
	to = time.Now().UTC().AppendFormat(to, time.RFC3339Nano)
	return append(to, `"}`...)
}

func appendUUID(to []byte, id uuid.UUID) []byte {
	text, _ := id.MarshalText() // can't fail
	return append(to, text...)
}

func newIDs(n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = uuid.New()
	}
	return ids
}

// randomID is the kind of id that most clients make. It goes to a random place in an
// index.
func randomID() uuid.UUID { return uuid.New() }

// orderedID begins with the time, so it goes to the end of an index.
func orderedID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
