package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/command"
	"learninglog/query"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// Problem is the body of every error: RFC 9457.
type Problem struct {
	Type   string `json:"type" format:"uri-reference" example:"/problems/invalid-request" doc:"Which kind of problem this is: a stable name to decide on, and a page that explains it."`
	Title  string `json:"title" example:"The request is not valid" doc:"What the kind of problem is called."`
	Status int    `json:"status" example:"422" doc:"The HTTP status."`
	Detail string `json:"detail,omitempty" doc:"What happened this time and what to do about it."`
	// Errors names the fields that are wrong.
	Errors []FieldProblem `json:"errors,omitempty" nullable:"false" doc:"What is wrong with which field."`
	// LearningLog is the log that was recorded under the request id.
	LearningLog *LearningLog `json:"learning_log,omitempty" doc:"The log that is recorded under this request id, if it is this user's."`

	retryAfter time.Duration
}

// FieldProblem says what is wrong with one part of a request.
type FieldProblem struct {
	Location string `json:"location" example:"body.word_count" doc:"Where: body, path, query or header, and the field."`
	Message  string `json:"message" example:"must be a whole number from 0 to 1000000" doc:"What would be right."`
	Value    any    `json:"value,omitempty" doc:"What was sent, if it is short."`
}

// A problem is an error that huma can answer with.
var (
	_ huma.StatusError       = (*Problem)(nil)
	_ huma.HeadersError      = (*Problem)(nil)
	_ huma.ContentTypeFilter = (*Problem)(nil)
)

const problemMediaType = "application/problem+json"

var problemType = reflect.TypeFor[Problem]() //nolint:gochecknoglobals // a constant

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// Error says what happened.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// ContentType makes it problem+json.
func (*Problem) ContentType(string) string { return problemMediaType }

// GetHeaders tells the client when to try again.
func (p *Problem) GetHeaders() http.Header {
	headers := make(http.Header)
	if p.retryAfter > 0 {
		headers.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	return headers
}

// retryAfter is what a client is told to wait when the database is away, or when
// there is too much to do. A restart takes about as long.
const retryAfter = 2 * time.Second

// problem is the one place where errors become statuses. What it doesn't know
// becomes a 500 that tells the client nothing, and is logged.
func (s *server) problem(ctx context.Context, err error) *Problem {
	var known *Problem
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, query.ErrNotFound):
		return notFound.problem("Nothing is known under this id, or not for this user.")
	case errors.Is(err, rebuild.ErrNotFound):
		return notFound.problem("There is no rebuild with this id, or none any more: those that have ended are kept for a day.")
	case errors.Is(err, rollup.ErrEmptyRange):
		return invalid.problem("", FieldProblem{Location: "query.from", Message: "must not be after to"})
	case errors.Is(err, rollup.ErrEmptyRange):
		return invalid.problem("", FieldProblem{Location: "body.from", Message: "must not be after to"})
	case errors.Is(err, rebuild.ErrTooManyUsers):
		return invalid.problem("", FieldProblem{
			Location: "body.user_ids",
			Message:  fmt.Sprintf("must be a list of at most %d users, together with user_id", rebuild.MaxUsers),
		})
	case errors.Is(err, rollup.ErrTooManyPeriods):
		return invalid.problem("The range has too many periods.", FieldProblem{
			Location: "query.to",
			Message: fmt.Sprintf("must be at most %d periods after from: ask for a shorter range or a longer granularity",
				query.MaxPeriods),
		})
	case errors.Is(err, query.ErrBadCursor):
		return invalid.problem("", FieldProblem{Location: "query.cursor", Message: "must be the next_cursor of a page, unchanged"})
	case errors.Is(err, command.ErrFull):
		s.logTrouble(ctx, "too many logs wait to be written", err)
		problem := unavailable.problem("Too many logs wait to be written.")
		problem.retryAfter = s.Recorder.Backlog()
		return problem
	case errors.Is(err, command.ErrStopped):
		problem := unavailable.problem("The service is stopping.")
		problem.retryAfter = retryAfter
		return problem
	case errors.Is(err, context.Canceled):
		return unavailable.problem("The request was cancelled.") // nobody is listening
	case s.Unavailable(err):
		s.logTrouble(ctx, "the database is unavailable", err)
		problem := unavailable.problem("The database does not answer.")
		problem.retryAfter = retryAfter
		return problem
	default:
		s.Logger.ErrorContext(ctx, "a request failed", slog.Any("error", err), requestIDAttr(ctx))
		return internal.problem("")
	}
}

// logTrouble logs why requests are turned away: one of them a second, as there may
// be tens of thousands with the same to say. The others are for the level debug.
func (s *server) logTrouble(ctx context.Context, message string, err error) {
	level := slog.LevelDebug
	s.trouble.Do(func() { level = slog.LevelWarn })
	s.Logger.LogAttrs(ctx, level, message, slog.Any("error", err), requestIDAttr(ctx))
}

// asProblem turns huma's own errors, which are about parameters, into problems.
func asProblem(_ huma.Context, _ string, body any) (any, error) {
	theirs, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	ours := kindOf(theirs.Status).problem("")
	ours.Status = theirs.Status
	better := map[string]string{
		"invalid integer":                     "must be a whole number",
		"invalid boolean":                     "must be true or false",
		"unknown query parameter":             unknownParameter,
		"expected string to be RFC 4122 uuid": "must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22",
	}
	for _, detail := range theirs.Errors {
		ours.Errors = append(ours.Errors, FieldProblem{
			Location: detail.Location,
			Message:  cmp.Or(better[strings.SplitN(detail.Message, ":", 2)[0]], detail.Message),
			Value:    shortValue(detail.Value),
		})
	}
	return ours, nil
}

const unknownParameter = "is no parameter of this path: see /docs"

func shortValue(value any) any {
	if text, ok := value.(string); ok {
		return short(text)
	}
	return value
}
