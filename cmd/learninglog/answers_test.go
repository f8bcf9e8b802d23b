package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
)

// answers compares what services answer with the document. Each test whose client has no
// transport of its own asks through it.
type answers struct {
	next     http.RoundTripper
	document *written

	mu    sync.Mutex
	wrong map[string]int
}

// compareAnswers makes every client compare, unless it has a transport of its own.
func compareAnswers(document *written) *answers {
	a := &answers{next: http.DefaultTransport, document: document, wrong: make(map[string]int)}
	http.DefaultTransport = a
	return a
}

// RoundTrip implements [http.RoundTripper].
func (a *answers) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(request)
	if err != nil || answer.Header.Get("X-Request-Id") == "" { // which all services send
		return answer, err
	}
	answer.Body = &comparedBody{ReadCloser: answer.Body, compare: func(body []byte) { a.compare(request, answer, body) }}
	return answer, nil
}

func (a *answers) compare(request *http.Request, answer *http.Response, body []byte) {
	err := a.document.compare(request, answer, body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.wrong[fmt.Sprintf("%s %s: %d: %v", request.Method, request.URL.Path, answer.StatusCode, err)]++
	}
}

// report prints which answers differ from the document, and returns whether any do.
func (a *answers) report() (differ bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, wrong := range slices.Sorted(maps.Keys(a.wrong)) {
		_, _ = fmt.Fprintf(os.Stderr, "FAIL: an answer differs from the OpenAPI document (%d times): %s\n", a.wrong[wrong], wrong)
	}
	return len(a.wrong) > 0
}

// comparedBody compares what was read when all of it was. What is very long isn't compared.
type comparedBody struct {
	io.ReadCloser

	compare func(body []byte)
	text    bytes.Buffer
	ended   bool
}

func (b *comparedBody) Read(into []byte) (int, error) {
	const most = 4 << 20
	n, err := b.ReadCloser.Read(into)
	if b.text.Len() <= most {
		b.text.Write(into[:n])
	}
	if errors.Is(err, io.EOF) && !b.ended && b.text.Len() <= most {
		b.ended = true
		b.compare(b.text.Bytes())
	}
	return n, err
}
