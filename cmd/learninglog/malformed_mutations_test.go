package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// mutation is one thing that makes a request malformed, or odd. change returns false if
// the request has nothing that it could change.
type mutation struct {
	name   string
	change func(d *draft) bool
}

// mutations returns all mutations by their kind, in the order in which several are done:
// the tree of a body is changed before its text, and the text before it is framed.
func mutations(key string) [][]mutation {
	return [][]mutation{
		parameterMutations(), lineMutations(), treeMutations(), textMutations(), headerMutations(), framingMutations(), authorizationMutations(key),
	}
}

// choose returns the kind of a mutation and its number. Those of parameters and of trees,
// with which the service does most, are three times as likely as the other kinds.
func choose(dice *rand.Rand, kinds [][]mutation) [2]int {
	kind := pick(dice, []int{0, 0, 0, 1, 2, 2, 2, 3, 4, 5, 6})
	return [2]int{kind, dice.IntN(len(kinds[kind]))}
}

// always returns a mutation that every request can have.
func always(name string, change func(d *draft)) mutation {
	return mutation{name, func(d *draft) bool { change(d); return true }}
}

// ofParameter returns a mutation of one of the parameters.
func ofParameter(name string, change func(d *draft, at int)) mutation {
	return mutation{name, func(d *draft) bool {
		if len(d.parameters) == 0 {
			return false
		}
		change(d, d.dice.IntN(len(d.parameters)))
		return true
	}}
}

// oddValues are values of parameters, as they are sent.
func oddValues() []string {
	return []string{
		"", "+", "%20", "%09", "%0a", "%0d%0aX-Injected:%20yes", "%00", "a%00b", "%ff", "%c0%ae", "%ed%a0%80", "%", "%zz", "%2",
		"%ef%bb%bf", "%e2%80%ae", "%f0%9f%92%a9", "%ef%bc%91%ef%bc%92", "%d9%a3", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%2f", "..", ".", "*",
		"<script>", "%27%22%3e%3cscript%3e", "%27;DROP%20TABLE%20learning_log", "%7b%7b.%7d%7d", "%25s%25n", "null", "undefined", "NaN", "Infinity", "-0",
		"0", "-1", "1.5", "1e3", "1e400", "0x10", "010", "1_000", "2147483648", "9223372036854775807", "9223372036854775808",
		"-9223372036854775809", strings.Repeat("9", 400), "TRUE", "yes", "t",
		"0000-00-00", "0000-01-01", "0001-01-01", "9998-12-31", "9999-12-31", "10000-01-01", "99999-01-01", "-0001-01-01", "2026-02-30",
		"2026-13-01", "2026-1-1", "2026-W01", "2026-001", "20260101", "2026-11-01T25:00:00Z", "2026-12-31T23:59:60Z", "2026-11-01t08:30:00z",
		"2026-11-01T08:30:00%2B24:00", "2026-11-01T08:30:00%2B00:60", "2026-11-01T8:30:00Z", "2026-11-01T08:30:00,5Z", "0001-01-01T00:00:00%2B23:59",
		"9998-12-31T23:59:59.999999999-23:59", "2026-11-01T08:30:00.99999999999999999999Z", "2026-11-01+00:00", "1970-01-01T00:00:00",
		"Mars/Olympus", "Local", "localtime", "posixrules", "EST5EDT", "UTC%2B25", "Asia", "Asia/", "/Asia/Tokyo", "asia/tokyo", "Etc/GMT%2B12",
		"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "0B6B3A9E-2F57-4F5A-9A55-0D4B7C6F1A22",
		"{0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22}", "urn:uuid:0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22", "0b6b3a9e2f574f5a9a550d4b7c6f1a22",
		"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a2", "0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a2g", "eyJhIjoxfQ", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3d",
		strings.Repeat("a", 5_000), strings.Repeat("%ff", 2_000), strings.Repeat("day,", 500),
	}
}

func parameterMutations() []mutation {
	table := []mutation{
		ofParameter("a parameter is missing", func(d *draft, at int) {
			d.parameters = slices.Delete(slices.Clone(d.parameters), at, at+1)
		}),
		ofParameter("a parameter is repeated", func(d *draft, at int) {
			d.parameters = append(d.parameters, d.parameters[at])
		}),
		ofParameter("a parameter has two values", func(d *draft, at int) {
			again := d.parameters[at]
			again.value = pick(d.dice, oddValues())
			d.parameters = append(d.parameters, again)
		}),
		ofParameter("the name of a parameter is in upper case", func(d *draft, at int) {
			d.parameters[at].name = strings.ToUpper(d.parameters[at].name)
		}),
		ofParameter("a parameter is an array", func(d *draft, at int) { d.parameters[at].name += "[]" }),
		ofParameter("the name of a parameter is escaped", func(d *draft, at int) {
			d.parameters[at].name = fmt.Sprintf("%%%02x%s", d.parameters[at].name[0], d.parameters[at].name[1:])
		}),
		ofParameter("a parameter is cut off", func(d *draft, at int) {
			value := d.parameters[at].value
			d.parameters[at].value = value[:d.dice.IntN(len(value)+1)]
		}),
		ofParameter("a character of a parameter is another", func(d *draft, at int) {
			if value := []byte(d.parameters[at].value); len(value) > 0 {
				value[d.dice.IntN(len(value))] = "0123456789abcXYZ-_:.~"[d.dice.IntN(21)]
				d.parameters[at].value = string(value)
			}
		}),
		ofParameter("a parameter has more at its end", func(d *draft, at int) {
			d.parameters[at].value += pick(d.dice, []string{"%00", "%20", "x", "0", "%ff", "Z", "%2F"})
		}),
		always("there are a thousand parameters", func(d *draft) {
			for i := range 1000 {
				d.parameters = append(d.parameters, parameter{inQuery, fmt.Sprint("p", i), "1"})
			}
		}),
	}
	for _, odd := range oddValues() {
		table = append(table, mutation{"a parameter is " + abridged(odd), func(d *draft) bool { return d.setAny(odd) }})
	}
	for _, odd := range []string{"unknown=1", "%00=1", "%ff=%ff", "=", "=1", "&", "&&&", ";", "a;b=1", "%", "%zz=1", "a=%zz", "a=b=c", "?", "%0d%0a=1", "[]=1", "a[b]=1"} {
		table = append(table, always("the query has also "+odd, func(d *draft) { d.rawQuery += "&" + odd }))
	}
	return table
}

// abridged is a text that names a mutation.
func abridged(text string) string {
	const longest = 60
	if len(text) <= longest {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q… (%d bytes)", text[:20], len(text))
}

// lineMutations are those of the first line.
func lineMutations() []mutation {
	var table []mutation
	for _, method := range []string{
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "G", strings.Repeat("M", 1000),
	} {
		table = append(table, always("the method is "+abridged(method), func(d *draft) { d.method = method }))
	}
	for _, method := range []string{"", "G\x00T", "GÉT", "GET\t", "(GET)"} {
		table = append(table, always("the method is "+abridged(method), func(d *draft) { d.method, d.isAmbiguous = method, true }))
	}
	for _, path := range []string{
		"", "*", "x", "?", "#", "//", "/\x00", "/ /", "/\xff", "/é", "/%", "/%zz", "/%ff", "/%00", "/../..", "/.", "/;", "/v1", "/v1/", "//v1/rebuilds",
		"/v1/users//summary", "/v1/unknown", "/V1/REBUILDS", "/v1/rebuilds/", "/v1%2frebuilds", "/static/../admin", "/static/%2e%2e/x", "/docs/../v1", "/docs/%00",
		"http://elsewhere.example/v1/rebuilds", "http://", "ftp://x/", "elsewhere.example:443", ":80", "http://[::1", "/" + strings.Repeat("a", 10_000),
		"/" + strings.Repeat("a/", 5_000), "/" + strings.Repeat("%2f", 3_000), "/" + strings.Repeat("a", 100_000),
	} {
		table = append(table, always("the path is "+abridged(path), func(d *draft) { d.path, d.isAmbiguous = path, true }))
	}
	for _, end := range []string{"/", "//", "/.", "/..", "/%2e%2e", "%00", "%20", ";a=b", ".json", "%2f", "/x", "#fragment", "\t"} {
		table = append(table, always("the path ends with "+abridged(end), func(d *draft) { d.path += end; d.isAmbiguous = true }))
	}
	for _, version := range []string{"HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/9.9", "HTTP/1", "HTTP", "http/1.1", "HTTPS/1.1", "", "HTTP/1.1 HTTP/1.1", "HTTP/1.1\x00"} {
		table = append(table, always("the version is "+abridged(version), func(d *draft) { d.version, d.isAmbiguous = version, true }))
	}
	return table
}

// ofTree returns a mutation of one of the values in the JSON of a body.
func ofTree(name string, fits func(v *jsonValue) bool, change func(d *draft, v *jsonValue)) mutation {
	return mutation{name, func(d *draft) bool {
		if d.value == nil || d.body != nil || d.mediaType == mediaForm {
			return false
		}
		values := slices.DeleteFunc(d.value.all(), func(v *jsonValue) bool { return !fits(v) })
		if len(values) == 0 {
			return false
		}
		change(d, pick(d.dice, values))
		return true
	}}
}

// oddJSON are texts that stand in JSON instead of a value.
func oddJSON() []string {
	return []string{
		"null", "true", "false", "0", "-0", "-1", "1.5", "1.0", "1e3", "1e400", "-1e400", "1e-400", strings.Repeat("9", 5_000), "9223372036854775808",
		"0.1e+", "01", "+1", "1.", ".5", "0x10", "NaN", "Infinity", "-", "undefined", "{}", "[]", "[null]", "[[]]", `{"":{}}`, `{"a":1,"a":2}`,
		`""`, `" "`, `"\u0000"`, `"\ud800"`, `"\udc00\ud800"`, `"\uZZZZ"`, `"\x"`, `"` + "\x00" + `"`, `"` + "\xff" + `"`, `"` + "\xed\xa0\x80" + `"`, `"` + "\n" + `"`,
		`"\u202e"`, `"💩"`, `"１２"`, `"12"`, `"0000-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"9999-12-31T23:59:59Z"`, `"99999-01-01T00:00:00Z"`,
		`"2026-02-30T00:00:00Z"`, `"2026-11-01T24:00:00Z"`, `"2016-12-31T23:59:60Z"`, `"2026-11-01t08:30:00z"`, `"2026-11-01 08:30:00Z"`, `"2026-11-01T08:30:00"`,
		`"1883-11-18T12:03:58-04:56:02"`, `"2026-11-01T08:30:00.123456789123456789Z"`, `"1970-01-01T00:00:00Z"`, `"3026-11-01T08:30:00Z"`, `"2026-02-30"`, `"99999-01-01"`,
		`"Mars/Olympus"`, `"Local"`, `""`, `"../../etc/passwd"`, `"Asia/Tokyo\u0000"`, `"+14:01"`, `"-12:01"`, `"+9:00"`, `"+99:99"`, `"Z"`, `"z"`, `"-00:00"`,
		`"00000000-0000-0000-0000-000000000000"`, `"{0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22}"`, `"0B6B3A9E-2F57-4F5A-9A55-0D4B7C6F1A22"`, `"0b6b3a9e2f574f5a9a550d4b7c6f1a22"`,
		`"` + strings.Repeat("a", 30_000) + `"`, `"` + strings.Repeat(`\u0041`, 5_000) + `"`, `"unterminated`, `'single'`, "", "/* comment */ 1", "1 // comment",
		strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), strings.Repeat(`{"a":`, 9_000) + "1" + strings.Repeat("}", 9_000), strings.Repeat("[", 20_000),
		"[" + strings.TrimSuffix(strings.Repeat("0,", 10_001), ",") + "]",
	}
}

func treeMutations() []mutation {
	anything := func(*jsonValue) bool { return true }
	isObject := func(v *jsonValue) bool { return v.opening == '{' && len(v.names) > 0 }
	isArray := func(v *jsonValue) bool { return v.opening == '[' }
	table := []mutation{
		ofTree("a field is missing", isObject, func(d *draft, v *jsonValue) {
			at := d.dice.IntN(len(v.names))
			v.names, v.children = slices.Delete(v.names, at, at+1), slices.Delete(v.children, at, at+1)
		}),
		ofTree("a field is repeated", isObject, func(d *draft, v *jsonValue) {
			at := d.dice.IntN(len(v.names))
			v.set(v.names[at], v.children[at])
		}),
		ofTree("a field has two values", isObject, func(d *draft, v *jsonValue) {
			v.set(pick(d.dice, v.names), &jsonValue{text: pick(d.dice, oddJSON())})
		}),
		ofTree("the name of a field is in upper case", isObject, func(d *draft, v *jsonValue) {
			at := d.dice.IntN(len(v.names))
			v.names[at] = strings.ToUpper(v.names[at])
		}),
		ofTree("the name of a field is escaped", isObject, func(d *draft, v *jsonValue) {
			at := d.dice.IntN(len(v.names))
			v.names[at] = fmt.Sprintf(`"\u%04x%s`, v.names[at][1], v.names[at][2:])
		}),
		ofTree("a field is unknown", isObject, func(_ *draft, v *jsonValue) { v.set(`"unknown"`, &jsonValue{text: "1"}) }),
		ofTree("five hundred fields are unknown", isObject, func(_ *draft, v *jsonValue) {
			for i := range 500 {
				v.set(fmt.Sprintf(`"<%d>"`, i), &jsonValue{text: "1"})
			}
		}),
		ofTree("a value is in an array", anything, func(_ *draft, v *jsonValue) {
			inner := *v
			*v = jsonValue{opening: '[', children: []*jsonValue{&inner}}
		}),
		ofTree("a value is in an object", anything, func(_ *draft, v *jsonValue) {
			inner := *v
			*v = jsonValue{opening: '{'}
			v.set(`"value"`, &inner)
		}),
		ofTree("an array is empty", isArray, func(_ *draft, v *jsonValue) { v.children = nil }),
		ofTree("an array has one element many times", isArray, func(_ *draft, v *jsonValue) {
			for len(v.children) > 0 && len(v.children) < 300 {
				v.children = append(v.children, v.children[0])
			}
		}),
	}
	for _, name := range []string{`""`, `"\ud800"`, `"` + "\xff" + `"`, `"\u0000"`, `"__proto__"`, "unquoted", "1", "null", `"` + strings.Repeat("n", 5_000) + `"`} {
		table = append(table, ofTree("the name of a field is "+abridged(name), isObject, func(_ *draft, v *jsonValue) {
			v.set(name, &jsonValue{text: "1"})
		}))
	}
	for _, odd := range oddJSON() {
		table = append(table, ofTree("a value is "+abridged(odd), anything, func(_ *draft, v *jsonValue) { *v = jsonValue{text: odd} }))
	}
	return table
}

// ofText returns a mutation of the text of a body.
func ofText(name string, change func(d *draft, text []byte) []byte) mutation {
	return mutation{name, func(d *draft) bool {
		text := d.text()
		if text == nil {
			return false
		}
		d.body = append([]byte{}, change(d, text)...)
		return true
	}}
}

// inserting returns a mutation that inserts a text anywhere into a body.
func inserting(text string) mutation {
	return ofText("the body has in it "+abridged(text), func(d *draft, body []byte) []byte {
		at := d.dice.IntN(len(body) + 1)
		return slices.Concat(body[:at], []byte(text), body[at:])
	})
}

func textMutations() []mutation {
	table := []mutation{
		ofText("the body is cut off", func(d *draft, text []byte) []byte { return text[:d.dice.IntN(len(text)+1)] }),
		ofText("the body comes twice", func(_ *draft, text []byte) []byte { return slices.Concat(text, text) }),
		ofText("a bit of the body is another", func(d *draft, text []byte) []byte {
			changed := bytes.Clone(text)
			if len(changed) > 0 {
				changed[d.dice.IntN(len(changed))] ^= 1 << d.dice.IntN(8)
			}
			return changed
		}),
		ofText("the body begins with a byte order mark", func(_ *draft, text []byte) []byte { return append([]byte("\ufeff"), text...) }),
		ofText("the body is UTF-16", func(_ *draft, text []byte) []byte {
			wide := []byte{0xff, 0xfe}
			for _, b := range text {
				wide = append(wide, b, 0)
			}
			return wide
		}),
		ofText("the body is in gzip", func(_ *draft, text []byte) []byte { return inGzip(text) }),
		ofText("every line of the body ends with CR LF", func(_ *draft, text []byte) []byte {
			return bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
		}),
		ofText("the body has no last line end", func(_ *draft, text []byte) []byte { return bytes.TrimSpace(text) }),
		ofText("the body has a line that is cut off", func(d *draft, text []byte) []byte {
			return slices.Concat(text, text[:d.dice.IntN(len(text)+1)], []byte("\n"), text)
		}),
		ofText("every byte of the body is any", func(d *draft, text []byte) []byte {
			noise := make([]byte, len(text))
			for i := range noise {
				noise[i] = byte(d.dice.Uint32())
			}
			return noise
		}),
	}
	for _, text := range []string{
		"", " ", "\n\n\n", "\x00", "\xff\xfe", "a=b&c=d", "<xml/>", "{", "[", "]", "}", `"`, "{}", "[]", "[{}]", "null", "true", "0", `""`, "[[[[", "%", "=&=&%zz=%ff",
		strings.Repeat("\n", 70_000), strings.Repeat(" ", 70_000), strings.Repeat("[", 70_000), strings.Repeat("a", 300_000), strings.Repeat("{}\n", 5_000),
		"[" + strings.Repeat(" ", 1<<20) + "]", strings.Repeat("1", 2<<20),
	} {
		table = append(table, ofText("the body is "+abridged(text), func(*draft, []byte) []byte { return []byte(text) }))
	}
	for _, text := range []string{"\x00", "\xff", "\xc0\x80", "\xed\xa0\x80", "\r", "\n", "\v", "\u2028", ",", ":", "]", "}", `"`, `\`, `\u`, "💩", "//", "%", strings.Repeat(" ", 70_000)} {
		table = append(table, inserting(text))
	}
	return table
}

func headerMutations() []mutation {
	var table []mutation
	odd := map[string][]string{
		"Content-Type": {
			"", "json", "/", "application/json;", "application/json; charset=utf-8", "application/json; charset=UTF-16", "application/json; charset=latin1", "application/json; charset",
			`application/json; charset="utf-8`, "application/json, application/json", "APPLICATION/JSON", "application/problem+json", "text/plain", "text/json", "application/x-ndjson",
			"application/json-seq", "multipart/form-data", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=\xff",
			"application/json\x00", "*/*", "application/x-ndjson; q=1; q=2", strings.Repeat("a", 2_000),
		},
		"Content-Encoding": {"gzip", "deflate", "br", "zstd", "identity", "x-gzip", "GZIP", "gzip, gzip", "unknown", "", ",", "utf-8"},
		"Accept":           {"", "*/*", "text/csv", "image/svg+xml", "text/html", "application/json;q=0", "*/*;q=0", "a", "/", ";q=1", "text/csv;q=NaN", "text/csv;q=1e400", "text/csv;q=-1", ",,,", "application/xml", "application/cbor", strings.Repeat("a/b,", 1_000), "\xff/\xff"},
		"Accept-Encoding":  {"gzip", "gzip;q=0", "gzip;q=2", "*;q=0", "gzip;q=NaN", "identity;q=0", "br", ",", strings.Repeat("gzip,", 1_000)},
		"Accept-Language":  {"\xff", strings.Repeat("de,", 1_000)},
		"If-None-Match":    {"*", `"`, `W/`, `W/"x"`, `"x", "y", *`, ",,,", "\xff", strings.Repeat(`"x",`, 2_000)},
		"If-Match":         {"*", `"x"`}, "If-Modified-Since": {"never", "Sun, 06 Nov 2044 08:49:37 GMT"}, "If-Range": {"x"},
		"Range":         {"bytes=0-0", "bytes=5-1", "bytes=-1", "bytes=0-,1-,2-,3-", "lines=1", "bytes=99999999999999999999-", "bytes=" + strings.Repeat("0-1,", 500) + "0-1"},
		"Last-Event-ID": {"end", "0", "-1", "99999999999999999999", "\xff", strings.Repeat("1", 5_000)},
		"X-Request-Id":  {"", " ", "a b", "\xff", "<script>", strings.Repeat("x", 129), strings.Repeat("x", 5_000), "a, b"},
		"Host":          {"", "elsewhere.example", "a b", "\xff", "localhost:99999", "[::1", "<script>", "a/b", strings.Repeat("h", 5_000)},
		"Origin":        {"null", "https://elsewhere.example", "", "\xff", "://"}, "Sec-Fetch-Site": {"cross-site", "same-site", "none", "x"},
		"Cookie":     {"a=b; c", "\xff", strings.Repeat("c=d; ", 2_000)},
		"Connection": {"close", "keep-alive, upgrade", "Content-Length", "\xff"}, "Upgrade": {"websocket", "h2c"}, "Keep-Alive": {"timeout=-1"},
		"TE": {"trailers", "gzip"}, "Trailer": {"Content-Length", "X"}, "Max-Forwards": {"0"}, "X-HTTP-Method-Override": {"DELETE"},
		"X-Forwarded-For": {"127.0.0.1", "\xff", strings.Repeat("1.1.1.1,", 1_000)}, "Forwarded": {"for=\"_\x01\""}, "X-Forwarded-Proto": {"javascript"},
		"Expect": {"100-continue", "200-ok", ""},
	}
	names := make([]string, 0, len(odd))
	for name := range odd {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		table = append(table, always(name+" is missing", func(d *draft) { d.removeHeader(name) }))
		for _, value := range odd[name] {
			table = append(table, always(name+" is "+abridged(value), func(d *draft) { d.setHeader(name, value) }))
		}
		table = append(table, always("there are two of "+name, func(d *draft) {
			d.headers = append(d.headers, name+": "+pick(d.dice, odd[name]))
		}))
	}
	table = append(table, mutation{"the body is compressed as it says", func(d *draft) bool {
		if d.text() == nil {
			return false
		}
		d.setHeader("Content-Encoding", "gzip")
		d.body = inGzip(d.body)
		return true
	}}, mutation{"the body expands a thousandfold", func(d *draft) bool {
		if d.text() == nil {
			return false
		}
		d.setHeader("Content-Encoding", "gzip")
		d.body = inGzip(bytes.Repeat([]byte(" "), 4<<20))
		return true
	}}, always("there are two thousand headers", func(d *draft) {
		for i := range 2_000 {
			d.headers = append(d.headers, fmt.Sprintf("X-%d: 1", i))
		}
	}))
	for _, line := range []string{
		"no colon", ": no name", "Space : x", " folded", "\tfolded", "X-Nul: \x00", "X-\x00: x", "X-Ünicode: x", "X-Return: a\rb", "X-Newline: a\nb", "X-Bell: \a", "X(): x", "\x7f: x",
		"X-Long: " + strings.Repeat("x", 20_000), "X-Huge: " + strings.Repeat("x", 100_000), strings.Repeat("X", 70_000) + ": x",
	} {
		table = append(table, always("a header line is "+abridged(line), func(d *draft) {
			d.headers = append(d.headers, line)
			d.isAmbiguous = true
		}))
	}
	return table
}

// chunked frames a body in two chunks.
func chunked(body []byte) string {
	half := len(body) / 2
	var sent strings.Builder
	for _, chunk := range [][]byte{body[:half], body[half:]} {
		if len(chunk) > 0 {
			fmt.Fprintf(&sent, "%x\r\n%s\r\n", len(chunk), chunk)
		}
	}
	return sent.String()
}

// framed returns a mutation of how a body is framed. It makes a body if there is none.
func framed(name string, frame func(d *draft, body string) (headers, sent string)) mutation {
	return always(name, func(d *draft) {
		d.isAmbiguous = true
		d.frame = func(body []byte) (string, string) {
			if body == nil {
				body = []byte("{}")
			}
			return frame(d, string(body))
		}
	})
}

func framingMutations() []mutation {
	const isChunked = "Transfer-Encoding: chunked\r\n"
	length := func(body string, more int) string { return fmt.Sprintf("Content-Length: %d\r\n", len(body)+more) }
	end := func(body string) string { return chunked([]byte(body)) + "0\r\n\r\n" }
	table := []mutation{
		framed("the body is in chunks", func(_ *draft, body string) (string, string) { return isChunked, end(body) }),
		framed("the length is there twice", func(_ *draft, body string) (string, string) { return length(body, 0) + length(body, 0), body }),
		framed("there are two lengths", func(_ *draft, body string) (string, string) { return length(body, 0) + length(body, 1), body }),
		framed("there are a length and chunks", func(_ *draft, body string) (string, string) { return length(body, 0) + isChunked, end(body) }),
		framed("there are chunks and a wrong length", func(_ *draft, body string) (string, string) { return isChunked + length(body, 9), end(body) }),
		framed("the length is too long", func(d *draft, body string) (string, string) {
			d.halfClose = true
			return length(body, 5), body
		}),
		framed("the length is far too long", func(d *draft, body string) (string, string) {
			d.halfClose = true
			return length(body, 1<<40), body
		}),
		framed("the length is too short", func(_ *draft, body string) (string, string) { return length(body, -min(len(body), 2)), body }),
		framed("there is no length", func(_ *draft, body string) (string, string) { return "", body }),
		framed("the chunks have no end", func(d *draft, body string) (string, string) {
			d.halfClose = true
			return isChunked, chunked([]byte(body))
		}),
		framed("a chunk is longer than what comes", func(d *draft, body string) (string, string) {
			d.halfClose = true
			return isChunked, fmt.Sprintf("%x\r\n%s", len(body)+10, body)
		}),
		framed("a chunk is followed by something", func(_ *draft, body string) (string, string) {
			return isChunked, fmt.Sprintf("%x\r\n%sx\r\n0\r\n\r\n", len(body), body)
		}),
		framed("a chunk has an extension", func(_ *draft, body string) (string, string) {
			return isChunked, fmt.Sprintf("%x;a=\"b\"\r\n%s\r\n0\r\n\r\n", len(body), body)
		}),
		framed("a chunk has a long extension", func(_ *draft, body string) (string, string) {
			return isChunked, fmt.Sprintf("%x;%s\r\n%s\r\n0\r\n\r\n", len(body), strings.Repeat("e", 20_000), body)
		}),
		framed("every chunk is one byte with an extension", func(_ *draft, body string) (string, string) {
			var sent strings.Builder
			for _, b := range []byte(body[:min(len(body), 5_000)]) {
				sent.WriteString("1;eeeeeeeeeeeeeeeeeeeeeeeeeeeeee\r\n" + string(b) + "\r\n")
			}
			return isChunked, sent.String() + "0\r\n\r\n"
		}),
		framed("there are trailers", func(_ *draft, body string) (string, string) {
			return isChunked, chunked([]byte(body)) + "0\r\nContent-Length: 5\r\nX: \x00\r\n\r\n"
		}),
		framed("the request is followed by another", func(_ *draft, body string) (string, string) {
			return length(body, 0), body + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
		}),
		framed("the request is followed by noise", func(_ *draft, body string) (string, string) {
			return length(body, 0), body + "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"
		}),
		always("the request comes in pieces", func(d *draft) { d.inPieces = true }),
		always("the client closes its half", func(d *draft) { d.halfClose, d.isAmbiguous = true, true }),
		always("the headers break off", func(d *draft) {
			d.halfClose, d.isAmbiguous = true, true
			d.mayGoUnanswered = "where nothing but a part of the first line has come, there is no request"
			d.frame = func([]byte) (string, string) { return "X-Broken", "" }
		}),
	}
	for _, size := range []string{"", "zz", "-1", "0x5", "+5", " 5", "5 ", "5\x00", "fffffffffffffffff", "7fffffffffffffff", "00000000000000005", "\xff"} {
		table = append(table, framed("the size of a chunk is "+abridged(size), func(d *draft, body string) (string, string) {
			d.halfClose = true
			return isChunked, size + "\r\n" + body + "\r\n0\r\n\r\n"
		}))
	}
	for _, value := range []string{"", "-1", "+5", "5.0", "0x5", "5,5", "5, 6", "five", " ", "\xff", "99999999999999999999", "9223372036854775807"} {
		table = append(table, framed("the length is "+abridged(value), func(d *draft, body string) (string, string) {
			d.halfClose = true
			return "Content-Length: " + value + "\r\n", body
		}))
	}
	for _, value := range []string{"", "gzip", "gzip, chunked", "chunked, gzip", "chunked, chunked", "identity", "xchunked", "CHUNKED", "chunked;q=1", "\vchunked", "\xff"} {
		table = append(table, framed("the transfer encoding is "+abridged(value), func(d *draft, body string) (string, string) {
			d.halfClose = true
			return "Transfer-Encoding: " + value + "\r\n", end(body)
		}))
	}
	return table
}
