package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// proxy forwards connections to PostgreSQL, message by message, and breaks a
// connection where a test wants it.
//
// The messages are described in
// https://www.postgresql.org/docs/current/protocol-message-formats.html.
type proxy struct {
	listener         net.Listener
	network, address string // the address of PostgreSQL
	user             *url.Userinfo
	database         string

	mu          sync.Mutex
	connections map[*proxied]bool
	next        *breakage // the next breakage, or nil
}

// breakage is the point at which a connection breaks: the first message of a type in
// a phase.
type breakage struct {
	name   string
	during phase
	from   side
	at     byte
	// half means that half of the message is forwarded.
	half bool
	// silent means that nothing is closed, but no further message is forwarded in
	// either direction.
	silent bool
	// commits says that the write is committed nevertheless.
	commits bool
}

// phase is what a client of PostgreSQL is doing.
type phase int

const (
	idle phase = iota
	connecting
	preparing // preparing the write statement
	writing
)

type side string

const (
	client side = "client"
	server side = "server"
)

// Types of messages. The same letter has different meanings on either side.
const (
	startupMessage = 0 // it has no type
	parseMessage   = 'P'
	bindMessage    = 'B'
	executeMessage = 'E'
	syncMessage    = 'S'

	authenticationMessage = 'R'
	backendKeyDataMessage = 'K'
	parseCompleteMessage  = '1'
	bindCompleteMessage   = '2'
	dataRowMessage        = 'D'
	readyForQueryMessage  = 'Z'
)

// breakages returns breakages at every stage of a write.
func breakages() []*breakage {
	return []*breakage{
		{name: "in the first message", during: connecting, from: client, at: startupMessage, half: true},
		{name: "before the first answer", during: connecting, from: server, at: authenticationMessage},
		{name: "before it is ready", during: connecting, from: server, at: backendKeyDataMessage, half: true},
		{name: "in the text of the statement", during: preparing, from: client, at: parseMessage, half: true},
		{name: "before the statement is known to be prepared", during: preparing, from: server, at: parseCompleteMessage},
		{name: "in the logs", during: writing, from: client, at: bindMessage, half: true},
		{name: "before the execution", during: writing, from: client, at: executeMessage},
		{name: "between the execution and the commit", during: writing, from: client, at: syncMessage},
		{name: "between the commit and the answer", during: writing, from: server, at: bindCompleteMessage, commits: true},
		{name: "in the answer", during: writing, from: server, at: dataRowMessage, half: true, commits: true},
		{name: "before the end of the answer", during: writing, from: server, at: readyForQueryMessage, commits: true},
		{name: "before the execution, silently", during: writing, from: client, at: bindMessage, silent: true},
		{name: "after the commit, silently", during: writing, from: server, at: bindCompleteMessage, silent: true, commits: true},
	}
}

// newProxy returns a proxy for the PostgreSQL of a database URL. It is closed when
// the test ends.
func newProxy(t testing.TB, databaseURL string) *proxy {
	t.Helper()
	config, err := pgx.ParseConfig(databaseURL)
	require.NoError(t, err)
	p := &proxy{
		network:     "tcp",
		address:     net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))),
		user:        url.UserPassword(config.User, config.Password),
		database:    config.Database,
		connections: make(map[*proxied]bool),
	}
	if strings.HasPrefix(config.Host, "/") {
		p.network = "unix"
		p.address = filepath.Join(config.Host, fmt.Sprintf(".s.PGSQL.%d", config.Port))
	}
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.disconnect()
	})
	go p.accept()
	return p
}

// url returns the address of the database through the proxy.
func (p *proxy) url() string {
	through := url.URL{
		Scheme: "postgres", User: p.user, Host: p.listener.Addr().String(), Path: p.database,
		RawQuery: "sslmode=disable", // the proxy can't read encrypted messages
	}
	return through.String()
}

// breakNext breaks the next connection that reaches b. If b comes before the first
// write, all open connections are closed, so that new ones are made.
func (p *proxy) breakNext(b *breakage) {
	p.mu.Lock()
	p.next = b
	p.mu.Unlock()
	if b.during < writing {
		p.disconnect()
	}
}

// broken reports whether the breakage of breakNext has happened.
func (p *proxy) broken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next == nil
}

// disconnect closes all connections.
func (p *proxy) disconnect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.connections {
		c.close()
	}
}

func (p *proxy) accept() {
	for {
		accepted, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.pass(accepted)
	}
}

func (p *proxy) pass(accepted net.Conn) {
	dialed, err := net.Dial(p.network, p.address)
	if err != nil {
		_ = accepted.Close()
		return
	}
	c := &proxied{proxy: p, ends: map[side]net.Conn{client: accepted, server: dialed}, phase: connecting}
	p.mu.Lock()
	p.connections[c] = true
	p.mu.Unlock()
	defer func() {
		c.close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.connections, c)
	}()
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.passFrom(server)
	}()
	c.passFrom(client)
	<-answers
}

// breaksAt returns the next breakage if it is at this point.
func (p *proxy) breaksAt(during phase, from side, at byte) *breakage {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.next
	if b == nil || b.during != during || b.from != from || b.at != at {
		return nil
	}
	p.next = nil
	return b
}

// proxied is a forwarded connection.
type proxied struct {
	proxy *proxy
	ends  map[side]net.Conn

	mu     sync.Mutex
	phase  phase
	silent bool
	// writes is the name of the write statement, including the NUL at its end.
	writes []byte
}

func (c *proxied) close() {
	for _, end := range c.ends {
		_ = end.Close()
	}
}

// passFrom forwards the messages of one side, until either side closes the
// connection or it breaks.
func (c *proxied) passFrom(from side) {
	defer c.close()
	headerSize := 5 // the type, and the length of the rest including itself
	if from == client {
		headerSize = 4 // the first message has no type
	}
	for {
		message, err := readMessage(c.ends[from], headerSize)
		if err != nil || !c.passOn(from, message, headerSize) {
			return
		}
		headerSize = 5
	}
}

func readMessage(reader io.Reader, headerSize int) ([]byte, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(reader, header); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint32(header[headerSize-4:])) - 4
	message := make([]byte, headerSize+max(length, 0))
	copy(message, header)
	_, err := io.ReadFull(reader, message[headerSize:])
	return message, err
}

// passOn forwards a message. It returns false if the connection breaks.
func (c *proxied) passOn(from side, message []byte, headerSize int) bool {
	kind := message[0]
	if headerSize == 4 {
		kind = startupMessage
	}
	during := c.follow(from, kind, message[headerSize:])
	to := c.ends[client]
	if from == client {
		to = c.ends[server]
	}
	b := c.proxy.breaksAt(during, from, kind)
	if b != nil && b.half {
		_, _ = to.Write(message[:len(message)/2])
	}
	if b != nil && !b.silent {
		return false
	}
	if c.isSilent(b != nil) {
		return true
	}
	_, err := to.Write(message)
	return err == nil
}

// follow returns the phase of a message, and remembers the phase of the next one.
func (c *proxied) follow(from side, kind byte, content []byte) phase {
	c.mu.Lock()
	defer c.mu.Unlock()
	during := c.phase
	switch {
	case from == server && kind == readyForQueryMessage:
		c.phase = idle
	case from == client && kind == parseMessage && bytes.Contains(content, []byte("INSERT INTO learning_log ")):
		c.writes = bytes.Clone(content[:bytes.IndexByte(content, 0)+1])
		c.phase, during = preparing, preparing
	case from == client && kind == bindMessage && c.writes != nil:
		_, name, _ := bytes.Cut(content, []byte{0}) // the name of the portal comes first
		if bytes.HasPrefix(name, c.writes) {
			c.phase, during = writing, writing
		}
	}
	return during
}

// isSilent reports whether nothing is forwarded any more. Calling it with now begins
// that.
func (c *proxied) isSilent(now bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = c.silent || now
	return c.silent
}
