package main_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// patience is how long a client waits for an answer. It is less than the time after which
// the service gives up a connection by itself, so a request that hangs is noticed.
const patience = 20 * time.Second

var (
	errHung       = errors.New("there is no answer in time")
	errUnanswered = errors.New("the connection ended without an answer")
)

// wire is a connection to the service on which a client writes what it likes.
type wire struct {
	address string
	open    *net.TCPConn // nil if there is none
	reader  *bufio.Reader
}

// received is an answer, or what there is of one that hasn't ended.
type received struct {
	answer

	closes bool
}

// send sends a request and returns its answers: one, or several where the service takes
// it for several requests, as an ambiguous one may be.
func (w *wire) send(d *draft) ([]received, error) {
	reused := w.open != nil
	answers, err := w.try(d)
	if reused && errors.Is(err, errUnanswered) && len(answers) == 0 {
		answers, err = w.try(d) // the service had closed the connection after the last answer
	}
	return answers, err
}

func (w *wire) try(d *draft) (answers []received, err error) {
	if err := w.connect(); err != nil {
		return nil, err
	}
	keep := false
	defer func() {
		if !keep {
			w.close()
		}
	}()
	// The service may answer, and stop reading, before it has read everything.
	go write(w.open, d)
	first, err := w.receive(d.method)
	if err != nil {
		return nil, err
	}
	answers = append(answers, first)
	if !d.isAmbiguous {
		keep = !first.closes && !d.halfClose
		return answers, nil
	}
	_ = w.open.CloseWrite()
	for !answers[len(answers)-1].closes {
		next, err := w.receive(http.MethodGet)
		if errors.Is(err, errUnanswered) {
			break
		}
		if err != nil {
			return answers, err
		}
		answers = append(answers, next)
	}
	return answers, nil
}

func write(connection *net.TCPConn, d *draft) {
	request := d.bytes()
	size := len(request)
	if d.inPieces {
		const pieces = 50
		size = 1 + size/pieces
	}
	for piece := range slices.Chunk(request, size) {
		if _, err := connection.Write(piece); err != nil {
			return // the answer says why
		}
	}
	if d.halfClose {
		_ = connection.CloseWrite()
	}
}

func (w *wire) connect() error {
	if w.open == nil {
		connection, err := net.Dial("tcp", w.address)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		w.open, w.reader = connection.(*net.TCPConn), bufio.NewReader(connection) //nolint:forcetypeassert // which TCP is
	}
	return w.open.SetDeadline(time.Now().Add(patience))
}

func (w *wire) close() {
	if w.open != nil {
		_ = w.open.Close()
		w.open = nil
	}
}

// receive reads an answer to a request with a method. Events have no end, so of them only
// the headers are read.
func (w *wire) receive(method string) (received, error) {
	// To close a body would be to read events for ever. Where it isn't read, the
	// connection is closed.
	response, err := http.ReadResponse(w.reader, &http.Request{Method: method}) //nolint:bodyclose // see above
	for err == nil && response.StatusCode == http.StatusContinue {
		response, err = http.ReadResponse(w.reader, &http.Request{Method: method}) //nolint:bodyclose // see above
	}
	if err != nil {
		return received{}, because(err)
	}
	got := received{answer{status: response.StatusCode, header: response.Header}, response.Close}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		got.closes = true
		return got, nil
	}
	got.body, err = io.ReadAll(response.Body)
	untilTheEnd := response.ContentLength < 0 && len(response.TransferEncoding) == 0
	if untilTheEnd && errors.Is(err, syscall.ECONNRESET) {
		err = nil // so a connection may end if not all of a request was read
	}
	if err != nil {
		return received{}, fmt.Errorf("reading the body of an answer with status %d: %w", got.status, because(err))
	}
	if got.header.Get("Content-Encoding") == "gzip" && len(got.body) > 0 {
		if got.body, err = fromGzip(got.body); err != nil {
			return received{}, fmt.Errorf("decompressing an answer: %w", err)
		}
	}
	return got, nil
}

func fromGzip(compressed []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}

// because tells connections that hang from connections that ended.
func because(err error) error {
	var closed *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errHung
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &closed):
		return fmt.Errorf("%w: %w", errUnanswered, err)
	default:
		return fmt.Errorf("the answer isn't HTTP: %w", err)
	}
}
