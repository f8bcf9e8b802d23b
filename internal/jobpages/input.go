package jobpages

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"learninglog/internal/problem"
)

// most is how many jobs River UI lists, or changes, at once.
const most = 1000

// isText reports whether PostgreSQL can take something as text.
func isText(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

func checkQuery(query string) *problem.Problem {
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return wrong("query", "must be pairs of name=value, joined by &, with % and ; escaped")
	}
	for name, values := range parameters {
		if slices.ContainsFunc(append(values, name), func(text string) bool { return !isText(text) }) {
			return wrong("query", "must be text in UTF-8, without NUL")
		}
	}
	if text := parameters.Get("limit"); text != "" {
		if limit, err := strconv.Atoi(text); err != nil || limit < 1 || limit > most {
			return wrong("query.limit", fmt.Sprintf("must be a whole number from 1 to %d", most))
		}
	}
	return nil
}

func wrong(location, message string) *problem.Problem {
	return problem.Invalid.New("", problem.Field{Location: location, Message: message})
}

// readJobIDs reads a body such as {"ids":["1","2"]}, and returns the ids, each once and in
// order.
func readJobIDs(w http.ResponseWriter, r *http.Request) ([]int64, *problem.Problem) {
	const longest = 64 << 10
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, problem.TooLarge.New(fmt.Sprintf("It may have %d bytes.", longest))
	}
	if err != nil || !json.Valid(text) {
		return nil, problem.Unreadable.New("It must be JSON.")
	}
	var posted struct {
		IDs []json.Number `json:"ids"`
	}
	if err := json.Unmarshal(text, &posted); err != nil || len(posted.IDs) == 0 || len(posted.IDs) > most {
		return nil, wrong("body.ids", fmt.Sprintf("must be a list of 1 to %d ids of jobs", most))
	}
	ids := make([]int64, 0, len(posted.IDs))
	for i, number := range posted.IDs {
		id, err := number.Int64()
		if err != nil {
			return nil, wrong(fmt.Sprintf("body.ids[%d]", i), "must be the id of a job, a whole number")
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
