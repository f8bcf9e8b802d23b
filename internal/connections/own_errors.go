package connections

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"learninglog/internal/problem"
)

// ownHeaders is how net/http begins the answers that it sends by itself, past all
// handlers, to what is not HTTP. No handler's answer begins like that.
const ownHeaders = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// expectationFailed is how it answers an Expect header that it doesn't know.
const expectationFailed = "HTTP/1.1 417 Expectation Failed"

// asProblem returns the problem that is sent instead of an answer of net/http's own, or
// nil if the text is no such answer.
func asProblem(text []byte) []byte {
	const version = "HTTP/1.1 "
	if len(text) <= len(version) || text[len(version)] < '4' {
		return nil // not an error
	}
	first, body, found := bytes.Cut(text[:min(len(text), 512)], []byte(ownHeaders))
	if bytes.HasPrefix(text, []byte(expectationFailed)) {
		first, body, found = []byte(expectationFailed), nil, true
	}
	if !found || !bytes.HasPrefix(first, []byte(version)) {
		return nil
	}
	first = first[len(version):]
	code, _, _ := bytes.Cut(first, []byte{' '})
	status, err := strconv.Atoi(string(code))
	if err != nil || bytes.IndexByte(first, '\n') >= 0 {
		return nil
	}
	wrong := problem.NotHTTP.New("")
	if detail, ok := bytes.CutPrefix(body, fmt.Appendf(nil, "%d %s: ", status, http.StatusText(status))); ok {
		wrong.Detail = string(detail) + "."
	}
	wrong.Status = status
	answer, _ := json.Marshal(wrong) // can't fail: only strings and numbers
	return fmt.Appendf(nil, "%s%s\r\nContent-Type: %s\r\nX-Content-Type-Options: nosniff\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		version, first, problem.MediaType, len(answer), answer)
}
