// Package problem is what is wrong with a request, as whoever sent it is told: which
// kinds of problems there are, with which status, and which error becomes which. In
// JSON it is RFC 9457, for pages a piece of HTML.
package problem

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Problem is the body of every error: RFC 9457. Begin with [Kind.New].
type Problem struct {
	Type   string `json:"type" format:"uri-reference" example:"/problems/invalid-request" doc:"Which kind of problem this is: a stable name to decide on, and a page that explains it."`
	Title  string `json:"title" example:"The request is not valid" doc:"What the kind of problem is called."`
	Status int    `json:"status" example:"422" doc:"The HTTP status."`
	Detail string `json:"detail,omitempty" doc:"What happened this time and what to do about it."`
	// Errors names the fields that are wrong.
	Errors []Field `json:"errors,omitempty" nullable:"false" doc:"What is wrong with which field."`
	// LearningLog is the log that was recorded under the request id, as the API shows
	// logs, or nil.
	LearningLog any `json:"learning_log,omitempty" doc:"The log that is recorded under this request id, if it is this user's."`

	// RetryAfter is when to send the same request again, or 0 where that doesn't help.
	RetryAfter time.Duration `json:"-"`

	kind Kind
}

// Field says what is wrong with one part of a request.
type Field struct {
	Location string `json:"location" example:"body.word_count" doc:"Where: body, path, query or header, and the field."`
	Message  string `json:"message" example:"must be a whole number from 0 to 1000000" doc:"What would be right."`
	Value    any    `json:"value,omitempty" doc:"What was sent, if it is short."`
}

// New returns a problem of a kind: what happened this time, which may be empty, and
// the fields that are wrong.
func (k Kind) New(detail string, fields ...Field) *Problem {
	return &Problem{
		Type:   k.Path(),
		Title:  k.Title,
		Status: k.Status,
		Detail: detail,
		Errors: fields,
		kind:   k,
	}
}

// Later returns the problem with when to send the same request again.
func (p *Problem) Later(after time.Duration) *Problem {
	p.RetryAfter = after
	return p
}

// Titled returns the problem with a title of its own, for a person.
func (p *Problem) Titled(title string) *Problem {
	p.Title = title
	return p
}

// Kind returns the kind of the problem.
func (p *Problem) Kind() Kind { return p.kind }

// Error says what happened.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// MediaType is the content type of a problem in JSON.
const MediaType = "application/problem+json"

// ContentType makes it problem+json. It is called by huma, as are the two below.
func (*Problem) ContentType(string) string { return MediaType }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders tells the client when to try again.
func (p *Problem) GetHeaders() http.Header {
	headers := make(http.Header)
	if p.RetryAfter > 0 {
		headers.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	return headers
}

// WriteJSON answers a request with the problem, where huma doesn't.
func (p *Problem) WriteJSON(w http.ResponseWriter) {
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(p) // of strings and numbers alone
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", MediaType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
}
