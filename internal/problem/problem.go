// Package problem describes what is wrong with a request, for its client: the kinds
// of problems, their statuses, and which error becomes which problem. Problems are
// written as JSON (RFC 9457) or as HTML for pages.
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

// Problem is the body of every error response (RFC 9457). Create it with [Kind.New].
type Problem struct {
	Type   string `json:"type" format:"uri-reference" example:"/problems/invalid-request" doc:"Which kind of problem this is: a stable name to decide on, and a page that explains it."`
	Title  string `json:"title" example:"The request is not valid" doc:"What the kind of problem is called."`
	Status int    `json:"status" example:"422" doc:"The HTTP status."`
	Detail string `json:"detail,omitempty" doc:"What happened this time and what to do about it."`
	// Errors lists the fields that are wrong.
	Errors []Field `json:"errors,omitempty" nullable:"false" doc:"What is wrong with which field."`
	// LearningLog is the log that is recorded under the request id, in the format of
	// the API, or nil.
	LearningLog any `json:"learning_log,omitempty" doc:"The log that is recorded under this request id, if it is this user's."`

	// RetryAfter is how long to wait before sending the same request again, or 0 if
	// a retry doesn't help.
	RetryAfter time.Duration `json:"-"`

	kind Kind
}

// Field says what is wrong with one part of a request.
type Field struct {
	Location string `json:"location" example:"body.word_count" doc:"Where: body, path, query or header, and the field."`
	Message  string `json:"message" example:"must be a whole number from 0 to 1000000" doc:"What would be right."`
	Value    any    `json:"value,omitempty" doc:"What was sent, if it is short."`
}

// New returns a problem of this kind. detail describes this occurrence and may be
// empty. fields are the fields that are wrong.
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

// Later returns the problem with the time to wait before a retry.
func (p *Problem) Later(after time.Duration) *Problem {
	p.RetryAfter = after
	return p
}

// WithLog adds to a problem the log that is recorded, as the API shows logs; nil adds
// nothing.
func WithLog[Log any](p *Problem, log *Log) *Problem {
	if log != nil {
		p.LearningLog = log
	}
	return p
}

// Titled returns the problem with a different title, for a person.
func (p *Problem) Titled(title string) *Problem {
	p.Title = title
	return p
}

// Kind returns the kind of the problem.
func (p *Problem) Kind() Kind { return p.kind }

// Error returns the title and the detail.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// MediaType is the content type of a problem in JSON.
const MediaType = "application/problem+json"

// ContentType returns problem+json. huma calls it, and the two methods below.
func (*Problem) ContentType(string) string { return MediaType }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the Retry-After header, if there is one.
func (p *Problem) GetHeaders() http.Header {
	headers := make(http.Header)
	if p.RetryAfter > 0 {
		headers.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.RetryAfter.Seconds()))))
	}
	return headers
}

// WriteJSON writes the problem as the response, for handlers without huma.
func (p *Problem) WriteJSON(w http.ResponseWriter) {
	var body bytes.Buffer
	_ = json.NewEncoder(&body).Encode(p) // can't fail: only strings and numbers
	maps.Copy(w.Header(), p.GetHeaders())
	w.Header().Set("Content-Type", MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
}
