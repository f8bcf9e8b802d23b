package problem

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Answer is how a handler that isn't ours answered a request with an error.
type Answer struct {
	Status int
	// Body is its text. What is beyond 64 KiB is cut off.
	Body []byte
}

// Translate returns a handler that answers as next does, except that answer does so instead
// where next answers with an error, a status of 400 or above, that is no problem.
func Translate(next http.Handler, answer func(http.ResponseWriter, *http.Request, Answer)) http.Handler {
	isOther := func(header http.Header) bool { return header.Get("Content-Type") != MediaType }
	return keepErrors(next, isOther, answer)
}

// Catch returns a handler that answers as next does, except that answer does so instead where
// next answers with a problem in JSON.
func Catch(next http.Handler, answer func(http.ResponseWriter, *http.Request, *Problem)) http.Handler {
	isProblem := func(header http.Header) bool { return header.Get("Content-Type") == MediaType }
	return keepErrors(next, isProblem, func(w http.ResponseWriter, r *http.Request, kept Answer) { answer(w, r, parse(kept)) })
}

// parse returns a problem that was written as JSON.
func parse(written Answer) *Problem {
	read := &Problem{Status: written.Status, kind: Internal}
	if err := json.Unmarshal(written.Body, read); err != nil {
		return Internal.New("") // can't happen: it is ours, and short
	}
	for _, kind := range Kinds() {
		if kind.Path() == read.Type {
			read.kind = kind
		}
	}
	return read
}

// keepErrors keeps the errors of next for which that is wanted, by their headers.
func keepErrors(next http.Handler, wanted func(http.Header) bool, answer func(http.ResponseWriter, *http.Request, Answer)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kept := &errorKeeper{ResponseWriter: w, wanted: wanted}
		next.ServeHTTP(kept, r)
		if kept.status == 0 {
			return
		}
		w.Header().Del("Content-Length")
		answer(w, r, Answer{Status: kept.status, Body: kept.body.Bytes()})
	})
}

// errorKeeper passes a response on, unless it is an error that is wanted: that is kept.
type errorKeeper struct {
	http.ResponseWriter

	wanted func(http.Header) bool
	status int // of the error, or 0
	body   bytes.Buffer
}

// WriteHeader passes the status on, or keeps it.
func (k *errorKeeper) WriteHeader(status int) {
	if status >= http.StatusBadRequest && k.wanted(k.Header()) {
		k.status = status
		return
	}
	k.ResponseWriter.WriteHeader(status)
}

func (k *errorKeeper) Write(text []byte) (int, error) {
	const most = 64 << 10
	if k.status == 0 {
		return k.ResponseWriter.Write(text)
	}
	k.body.Write(text[:min(len(text), most-k.body.Len())])
	return len(text), nil
}

// Unwrap makes an [http.ResponseController] find the response.
func (k *errorKeeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }
