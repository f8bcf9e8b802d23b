package jobpages

import (
	"encoding/json"
	"net/http"

	"learninglog/internal/problem"
)

// translate returns the problem for an error of River UI.
func (c Config) translate(r *http.Request, answer problem.Answer) *problem.Problem {
	var said struct{ Message string }
	_ = json.Unmarshal(answer.Body, &said) // an answer without a message has none to pass on
	switch answer.Status {
	case http.StatusNotFound:
		return problem.NotFound.New(said.Message)
	case http.StatusNotAcceptable:
		return problem.NotFound.New("Here are only pages, which are HTML.")
	case http.StatusMethodNotAllowed:
		return problem.MethodNotAllowed.New("")
	case http.StatusConflict:
		return problem.Conflict.New(said.Message)
	case http.StatusServiceUnavailable:
		return problem.Unavailable.New(said.Message).Later(problem.RetryAfter)
	}
	// River UI doesn't tell an outage of the database from other errors.
	if err := c.Ready(r.Context()); err != nil {
		return c.Problems.Of(r.Context(), err, "")
	}
	switch {
	case answer.Status == http.StatusBadRequest && r.Method == http.MethodPost:
		return problem.Conflict.New(said.Message) // a job is in the wrong state, as the body was checked before
	case answer.Status == http.StatusBadRequest:
		return problem.Invalid.New(said.Message)
	}
	return problem.Internal.New("") // River UI has logged why
}
