package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// attack is what a hostile client does to keep others out.
type attack struct {
	name string
	// prepare makes what will be sent, so that the attack itself takes little processor
	// time. It returns the function that begins the attack, which goes on until ctx ends.
	prepare func(*hostileClient) (begin func(ctx context.Context))
	// files is how many file descriptors the service may have open; 0 doesn't limit them.
	files int
	// saturates says that the attack takes all processor time, by mere requests. Nothing
	// shares that out by caller, so what others may wait is bounded by whenSaturated.
	saturates bool
	// keys says that the service asks for keys. The hostile client has one, all others
	// have another, and all of them connect from one address, as through a proxy.
	keys bool
	// always says that `make test` has it too: one attack of each sort.
	always bool
}

// attacks returns all kinds of attacks.
func attacks() []attack {
	return []attack{
		{name: "arrays over 4 connections", prepare: postArrays(4)},
		{name: "arrays over 64 connections", prepare: postArrays(64), always: true},
		{name: "arrays, and streams of blank lines", prepare: together(postArrays(64), sendBlankLines(64))},
		{name: "arrays, and streams of blank lines, by a key", prepare: together(postArrays(64), sendBlankLines(64)), keys: true},
		{name: "1000 single posters", prepare: postSingly(1000), saturates: true},
		{name: "arrays whose answers are large", prepare: postForLargeAnswers(22, ofArrays), always: true},
		{name: "NDJSON whose answers are large", prepare: postForLargeAnswers(22, ofLines)},
		{name: "arrays of which only headers arrive", prepare: sendHeadersAlone(128)},
		{name: "NDJSON of blank lines", prepare: sendBlankLines(128), always: true},
		{name: "bodies of a byte a second", prepare: sendSlowly(256)},
		{name: "requests for rebuilds", prepare: requestRebuilds(8), always: true},
		{name: "idle connections", prepare: stayIdle(3000)},
		{name: "idle connections to a service with few files", prepare: stayIdle(3000), files: 200, always: true},
		{name: "summaries that nobody reads", prepare: leaveUnread(2000)},
	}
}

// hostileUser returns one of the users whose logs the hostile client posts.
func hostileUser(n int) string { return fmt.Sprintf("0bad0bad-0000-4000-8000-%012x", n) }

// freshLogs is a body with logs whose request ids are made new in place.
type freshLogs struct {
	body []byte
	// ends are where the request ids end.
	ends []int
}

const hostileArray = 10_000

// newFreshLogs returns a body of so many logs, between the two ends of an array, if they
// aren't empty. The logs are of a hundred users, from the given one on.
func newFreshLogs(logs, user int, opening, closing string) freshLogs {
	const users = 100
	var body bytes.Buffer
	var ends []int
	body.WriteString(opening)
	for n := range logs {
		if n > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"request_id":"%s`, uuid.New())
		ends = append(ends, body.Len())
		fmt.Fprintf(&body, `","user_id":"%s","word_count":1}`, hostileUser((user+n)%users))
	}
	body.WriteString(closing)
	return freshLogs{body: body.Bytes(), ends: ends}
}

func (f freshLogs) clone() freshLogs { return freshLogs{body: bytes.Clone(f.body), ends: f.ends} }

// renew makes all request ids new. The connection and the number tell them from all
// others.
func (f freshLogs) renew(connection, number int) {
	digits := fmt.Appendf(nil, "%04x%08x", connection, number)
	for _, end := range f.ends {
		copy(f.body[end-len(digits):end], digits)
	}
}

// together makes one attack of several.
func together(attacks ...func(*hostileClient) func(context.Context)) func(*hostileClient) func(context.Context) {
	return func(c *hostileClient) func(context.Context) {
		var begins []func(context.Context)
		for _, prepare := range attacks {
			begins = append(begins, prepare(c))
		}
		return func(ctx context.Context) {
			for _, begin := range begins {
				begin(ctx)
			}
		}
	}
}

// postArrays posts arrays of fresh logs, one after the other.
func postArrays(connections int) func(*hostileClient) func(context.Context) {
	return func(c *hostileClient) func(context.Context) {
		array := newFreshLogs(hostileArray, 0, "[", "]")
		bodies := make([]freshLogs, connections)
		for n := range bodies {
			bodies[n] = array.clone()
		}
		return postFresh(c, batchPath, bodies)
	}
}

// postSingly posts fresh logs, one after the other.
func postSingly(connections int) func(*hostileClient) func(context.Context) {
	return func(c *hostileClient) func(context.Context) {
		bodies := make([]freshLogs, connections)
		for n := range bodies {
			bodies[n] = newFreshLogs(1, n, "", "")
		}
		return postFresh(c, "/v1/learning-logs", bodies)
	}
}

// postFresh posts each body over a connection of its own, again and again with other
// request ids.
func postFresh(c *hostileClient, path string, bodies []freshLogs) func(context.Context) {
	heads := make([][]byte, len(bodies))
	posted := make([]int, len(bodies))
	for n, fresh := range bodies {
		heads[n] = c.post(path, "application/json", len(fresh.body))
	}
	return func(ctx context.Context) {
		c.hold(ctx, len(bodies), func(n int, connection *hostileConnection) {
			for again := true; again; {
				bodies[n].renew(n, posted[n])
				posted[n]++
				var status int
				var answer []byte
				status, answer, again = connection.ask(heads[n], bodies[n].body)
				c.noteAcknowledged(status, answer)
			}
		})
	}
}

// noteAcknowledged counts the logs that the beginning of an answer acknowledges.
func (c *hostileClient) noteAcknowledged(status int, answer []byte) {
	acknowledged := 0
	switch status {
	case http.StatusCreated:
		acknowledged = 1
	case http.StatusOK:
		_, _ = fmt.Sscanf(string(answer), `{"recorded":%d`, &acknowledged)
	}
	c.note(func(report *hostileReport) { report.Acknowledged += acknowledged })
}

// body is a body that is sent as it is, and its media type.
type body struct {
	mediaType string
	text      []byte
}

func ofArrays(elements []string) body {
	return body{"application/json", []byte("[" + strings.Join(elements, ",") + "]")}
}

func ofLines(elements []string) body {
	return body{ndjson, []byte(strings.Join(elements, "\n"))}
}

// postForLargeAnswers posts objects of unknown fields. Their names are named in the
// answer, where each of their characters takes six.
func postForLargeAnswers(connections int, join func([]string) body) func(*hostileClient) func(context.Context) {
	const fields, length = 10, 63
	return func(c *hostileClient) func(context.Context) {
		names := make([]string, fields)
		for n := range names {
			names[n] = fmt.Sprintf(`"%s%d":0`, strings.Repeat("<", length-1), n)
		}
		elements := make([]string, hostileArray)
		for n := range elements {
			elements[n] = "{" + strings.Join(names, ",") + "}"
		}
		body := join(elements)
		head := c.post(batchPath, body.mediaType, len(body.text))
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(_ int, connection *hostileConnection) {
				for again := true; again; {
					_, _, again = connection.ask(head, body.text)
				}
			})
		}
	}
}

// sendHeadersAlone announces arrays that never come.
func sendHeadersAlone(connections int) func(*hostileClient) func(context.Context) {
	const announced = 8 << 20
	return func(c *hostileClient) func(context.Context) {
		head := c.post(batchPath, "application/json", announced)
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(_ int, connection *hostileConnection) {
				_, _, _ = connection.ask(head)
			})
		}
	}
}

// sendBlankLines keeps streams open by lines that have no logs.
func sendBlankLines(connections int) func(*hostileClient) func(context.Context) {
	const blankLine, every = "1\r\n\n\r\n", 3 * time.Second
	return func(c *hostileClient) func(context.Context) {
		head := c.head("POST "+batchPath, "Content-Type: "+ndjson, "Transfer-Encoding: chunked")
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(_ int, connection *hostileConnection) {
				c.running.Go(func() {
					if _, err := connection.Write(head); err == nil {
						connection.drip(blankLine, every)
					}
				})
				connection.waitForTheEnd()
			})
		}
	}
}

// sendSlowly sends single logs, arrays and NDJSON, a byte a second.
func sendSlowly(connections int) func(*hostileClient) func(context.Context) {
	const announced, every = 1000, time.Second
	return func(c *hostileClient) func(context.Context) {
		heads := [][]byte{
			c.post("/v1/learning-logs", "application/json", announced),
			c.post(batchPath, "application/json", announced),
			c.post(batchPath, ndjson, announced),
		}
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(n int, connection *hostileConnection) {
				c.running.Go(func() {
					if _, err := connection.Write(heads[n%len(heads)]); err == nil {
						connection.drip(" ", every)
					}
				})
				connection.waitForTheEnd()
			})
		}
	}
}

// requestRebuilds requests as many different rebuilds as it can, at the slowest pace
// that is accepted. The first ones have everybody in their scope, so they take long; each
// of the others has one user.
func requestRebuilds(connections int) func(*hostileClient) func(context.Context) {
	const path, faster = "/v1/rebuilds", 10
	return func(c *hostileClient) func(context.Context) {
		var requested, pace atomic.Int64
		pace.Store(1)
		request := func() (tried int64, request []byte) {
			n, tried := requested.Add(1), pace.Load()
			scope := fmt.Sprintf(`"user_id":"%s"`, hostileUser(int(n)))
			if n <= int64(connections) {
				scope = fmt.Sprintf(`"from":"2000-01-%02d"`, n)
			}
			body := fmt.Sprintf(`{%s,"max_logs_per_second":%d}`, scope, tried)
			return tried, append(c.post(path, "application/json", len(body)), body...)
		}
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(_ int, connection *hostileConnection) {
				for again := true; again; {
					var status int
					var answer []byte
					tried, request := request()
					status, answer, again = connection.ask(request)
					if status == http.StatusUnprocessableEntity && pace.CompareAndSwap(tried, tried*faster) {
						requested.Store(0)
					}
					c.noteRebuild(status, answer)
				}
			})
		}
	}
}

func (c *hostileClient) noteRebuild(status int, answer []byte) {
	var id int64
	if status != http.StatusAccepted {
		return
	}
	if _, err := fmt.Sscanf(string(answer), `{"id":%d`, &id); err != nil {
		panic(fmt.Sprintf("the answer to a request for a rebuild begins with %s", answer))
	}
	c.note(func(report *hostileReport) { report.Rebuilds = append(report.Rebuilds, id) })
}

// stayIdle opens connections, uses each once, so that it counts as one that may be used
// again, and leaves it idle.
func stayIdle(connections int) func(*hostileClient) func(context.Context) {
	return func(c *hostileClient) func(context.Context) {
		request := c.head("GET /healthz")
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(_ int, connection *hostileConnection) {
				if _, _, again := connection.ask(request); again {
					connection.waitForTheEnd()
				}
			})
		}
	}
}

// leaveUnread asks for the longest summaries, and reads nothing. Only a client that
// writes learns that its connection was closed, so blank lines are sent, which may
// precede a request.
func leaveUnread(connections int) func(*hostileClient) func(context.Context) {
	const periods, buffer, blankLine, every = 10_000, 4096, "\r\n", 2 * time.Second
	return func(c *hostileClient) func(context.Context) {
		last := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, periods-1)
		request := c.head(fmt.Sprintf("GET /v1/users/%s/summary?granularity=day&from=2000-01-01&to=%s",
			hostileUser(0), last.Format(time.DateOnly)))
		return func(ctx context.Context) {
			c.hold(ctx, connections, func(_ int, connection *hostileConnection) {
				if tcp, ok := connection.Conn.(*net.TCPConn); ok {
					_ = tcp.SetReadBuffer(buffer) // so that little is on its way
				}
				if _, err := io.Copy(connection, bytes.NewReader(request)); err == nil {
					connection.drip(blankLine, every)
				}
			})
		}
	}
}
