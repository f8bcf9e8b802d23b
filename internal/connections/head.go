package connections

import "bytes"

// head is what net/http doesn't tell of the header of the current request: it drops a
// Content-Length beside a Transfer-Encoding. Requests that are sent before the last one is
// answered (pipelining) aren't looked at.
type head struct {
	line            []byte // the beginning of the current line
	fields          int    // lines so far, with the first
	length, chunked bool   // whether there is such a field
	over            bool   // the body has begun
}

// maxFields is how many lines a header may have. Each takes more memory than bytes on the
// wire; browsers and proxies send some twenty.
const maxFields = 100

// longestName is the length of the longest name that is looked for.
const longestName = len("transfer-encoding:")

// begin forgets the last request.
func (h *head) begin() { *h = head{line: h.line[:0]} }

// read goes on with what has arrived. It is called with the bytes of bodies too.
func (h *head) read(text []byte) {
	for !h.over && len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if room := longestName - len(h.line); room > 0 {
			h.line = append(h.line, line[:min(room, len(line))]...)
		}
		if whole {
			h.endLine()
		}
		text = rest
	}
}

func (h *head) endLine() {
	name, _, _ := bytes.Cut(h.line, []byte{':'})
	isEmpty := len(h.line) == 0 || string(h.line) == "\r"
	if !isEmpty {
		h.fields++
	}
	switch {
	case isEmpty:
		h.over = h.fields > 0 // net/http skips empty lines before a request
	case bytes.EqualFold(name, []byte("content-length")):
		h.length = true
	case bytes.EqualFold(name, []byte("transfer-encoding")):
		h.chunked = true
	}
	h.line = h.line[:0]
}

// hasTwoLengths reports whether the request says in two ways where it ends.
func (h *head) hasTwoLengths() bool { return h.length && h.chunked }
