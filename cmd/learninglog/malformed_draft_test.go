package main_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
)

// draft is a request that is being made: valid at first, then changed by mutations. It
// isn't an http.Request, because most of what mutations do can't be said in one.
type draft struct {
	dice *rand.Rand
	// mutations are the names of those that have changed it.
	mutations []string

	// method, path and version are the first line. The path has the names of its
	// parameters in braces.
	method, path, version string
	parameters            []parameter
	// described are all parameters that the operation has.
	described []described
	// rawQuery is added to the end of the query as it is.
	rawQuery string
	// headers are lines without their ends.
	headers []string
	// mediaType is that of the body, or empty if there is none.
	mediaType string
	// value is the body as a tree, an array if the body is NDJSON; body is its text,
	// once the tree has been written.
	value *jsonValue
	body  []byte
	// frame returns the headers that say where the body ends, and the body as it is
	// sent.
	frame func(body []byte) (headers, sent string)

	// inPieces says that the request is sent in many small pieces.
	inPieces bool
	// halfClose says that the client sends nothing after this request, and says so.
	halfClose bool
	// isAmbiguous says that the service may take the request for another one, or for
	// several.
	isAmbiguous bool
	// isStrangers says that nothing in it says truly whom it is from.
	isStrangers bool
	// mayGoUnanswered is why the request may have no answer, or empty.
	mayGoUnanswered string
}

// parameter is a part of the path, of the query, of a form, or a header. Its name and
// value are as they are sent.
type parameter struct{ in, name, value string }

const (
	inPath, inQuery, inForm, inHeader = "path", "query", "form", "header"

	mediaJSON, mediaNDJSON, mediaForm = "application/json", "application/x-ndjson", "application/x-www-form-urlencoded"
)

// mutate changes the request, if the mutation can.
func (d *draft) mutate(m mutation) {
	if m.change(d) {
		d.mutations = append(d.mutations, m.name)
	}
}

// setAny sets one of the parameters that the operation has. It returns false if there are
// none.
func (d *draft) setAny(value string) bool {
	if len(d.described) == 0 {
		return false
	}
	p := pick(d.dice, d.described)
	d.parameters = slices.DeleteFunc(d.parameters, func(q parameter) bool { return q.in == p.in && q.name == p.name })
	d.parameters = append(d.parameters, parameter{p.in, p.name, value})
	return true
}

// text returns the body, which from now on is only changed as a text.
func (d *draft) text() []byte {
	if d.body != nil || d.mediaType == "" {
		return d.body
	}
	switch {
	case d.mediaType == mediaForm:
		d.body = []byte(d.pairs(inForm))
	case d.mediaType == mediaNDJSON && d.value.opening == '[':
		for _, line := range d.value.children {
			d.body = append(line.append(d.body), '\n')
		}
	default:
		d.body = d.value.append(nil)
	}
	return d.body
}

func (d *draft) pairs(in string) string {
	var pairs []string
	for _, p := range d.parameters {
		if p.in == in {
			pairs = append(pairs, p.name+"="+p.value)
		}
	}
	return strings.Join(pairs, "&")
}

// target returns the path and the query.
func (d *draft) target() string {
	target := d.path
	for _, p := range d.parameters {
		if p.in == inPath {
			target = strings.Replace(target, "{"+p.name+"}", p.value, 1)
		}
	}
	if query := d.pairs(inQuery) + d.rawQuery; query != "" {
		target += "?" + query
	}
	return target
}

// setHeader replaces a header, or adds it.
func (d *draft) setHeader(name, value string) {
	d.removeHeader(name)
	d.headers = append(d.headers, name+": "+value)
}

func (d *draft) removeHeader(name string) {
	var kept []string
	for _, line := range d.headers {
		if !strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)+":") {
			kept = append(kept, line)
		}
	}
	d.headers = kept
}

// bytes returns the request as it is sent.
func (d *draft) bytes() []byte {
	var request bytes.Buffer
	fmt.Fprintf(&request, "%s %s %s\r\n", d.method, d.target(), d.version)
	for _, p := range d.parameters {
		if p.in == inHeader {
			fmt.Fprintf(&request, "%s: %s\r\n", p.name, p.value)
		}
	}
	for _, line := range d.headers {
		request.WriteString(line + "\r\n")
	}
	headers, sent := d.frame(d.text())
	request.WriteString(headers + "\r\n" + sent)
	return request.Bytes()
}

// print returns the request as a person wants to see it, and keeps all of it in a file, to
// be sent again.
func (d *draft) print() string {
	const shown = 1 << 10
	request := d.bytes()
	text := fmt.Sprintf("mutations: %s\nrequest: %.*q", strings.Join(d.mutations, "; "), shown, request)
	if len(request) > shown {
		text += fmt.Sprintf("… (%d bytes)", len(request))
	}
	file, err := os.CreateTemp("", "learninglog-malformed-*.http")
	if err != nil {
		return text + "\nit can't be kept: " + err.Error()
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Write(request); err != nil {
		return text + "\nit can't be kept: " + err.Error()
	}
	option := "" // of nc
	if d.halfClose {
		option = "-N "
	}
	return text + "\nsend it again: nc " + option + "HOST PORT < " + file.Name()
}

// withLength frames a body by its length.
func withLength(body []byte) (headers, sent string) {
	if body == nil {
		return "", ""
	}
	return fmt.Sprintf("Content-Length: %d\r\n", len(body)), string(body)
}

// jsonValue is a JSON value whose texts may be anything.
type jsonValue struct {
	// opening is [ of an array, { of an object, or else 0.
	opening byte
	// text is that of a value that is neither.
	text string
	// names are the texts of the names of the children of an object.
	names    []string
	children []*jsonValue
}

func (v *jsonValue) append(to []byte) []byte {
	if v.opening == 0 {
		return append(to, v.text...)
	}
	to = append(to, v.opening)
	for i, child := range v.children {
		if i > 0 {
			to = append(to, ',')
		}
		if v.opening == '{' {
			to = append(append(to, v.names[i]...), ':')
		}
		to = child.append(to)
	}
	return append(to, map[byte]byte{'[': ']', '{': '}'}[v.opening])
}

// all returns the value and everything in it.
func (v *jsonValue) all() []*jsonValue {
	all := []*jsonValue{v}
	for _, child := range v.children {
		all = append(all, child.all()...)
	}
	return all
}

func (v *jsonValue) set(name string, child *jsonValue) {
	v.names, v.children = append(v.names, name), append(v.children, child)
}

func inGzip(body []byte) []byte {
	var compressed bytes.Buffer
	writer := gzip.NewWriter(&compressed)
	_, _ = writer.Write(body) // can't fail in memory
	_ = writer.Close()
	return compressed.Bytes()
}

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }
