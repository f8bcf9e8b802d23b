package api

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/problem"
)

// documentProblems adds the kinds of problems to the responses of an operation. Those of the
// same status are one response, which operations that have the same ones share.
func (s *server) documentProblems(responses map[string]*huma.Response, kinds []problem.Kind) {
	byStatus := make(map[int][]problem.Kind)
	for _, kind := range problem.Kinds() { // in one order everywhere
		if slices.Contains(kinds, kind) {
			byStatus[kind.Status] = append(byStatus[kind.Status], kind)
		}
	}
	for status, same := range byStatus {
		responses[strconv.Itoa(status)] = s.problemResponse(same)
	}
}

// problemResponse returns a reference to the response of kinds of problems that have the same
// status, with an example of each.
func (s *server) problemResponse(kinds []problem.Kind) *huma.Response {
	components := s.api.OpenAPI().Components
	names := make([]string, len(kinds))
	examples := make(map[string]*huma.Example)
	var description strings.Builder
	canWait := false
	for i, kind := range kinds {
		names[i] = kind.Name
		if components.Examples[kind.Name] == nil {
			components.Examples[kind.Name] = &huma.Example{Summary: kind.Title, Value: exampleOf(kind)}
		}
		examples[kind.Name] = &huma.Example{Ref: "#/components/examples/" + kind.Name}
		if i > 0 {
			description.WriteString("\n\n")
		}
		description.WriteString("`" + kind.Path() + "`: " + kind.Text())
		canWait = canWait || exampleOf(kind).RetryAfter > 0
	}
	name := strings.Join(names, "-or-")
	if components.Responses[name] == nil {
		response := &huma.Response{
			Description: description.String(),
			Content:     map[string]*huma.MediaType{problem.MediaType: {Schema: s.problemSchema(), Examples: examples}},
		}
		if canWait {
			response.Headers = map[string]*huma.Param{"Retry-After": {
				Description: "How many seconds to wait before the same request is sent again.",
				Schema:      &huma.Schema{Type: huma.TypeInteger, Examples: []any{2}},
			}}
		}
		components.Responses[name] = response
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

// exampleOf returns what a problem of a kind may look like.
func exampleOf(kind problem.Kind) *problem.Problem {
	switch kind {
	case problem.Unreadable:
		return kind.New("The JSON is broken: it breaks off.")
	case problem.TimedOut:
		return kind.New("It broke off.")
	case problem.Unauthenticated:
		return kind.New("The key, the token or the session is not known, has expired or was revoked.")
	case problem.Forbidden:
		return kind.New("This needs the scope logs:write.")
	case problem.OtherHost:
		return kind.New("The Host is learn.example.com: ask for an address or for localhost, or let the operator of the service allow this name by --allowed-hosts.")
	case problem.OtherSite:
		return kind.New("The Sec-Fetch-Site or the Origin header says so.")
	case problem.NotFound:
		return kind.New("Nothing is known under this id, or not for this user.")
	case problem.AlreadyRecorded:
		return problem.WithLog(kind.New("A log with this request_id, user, words and timestamp is recorded: see its utc_offset for the zone that was said first."), new(exampleRecorded()))
	case problem.RequestIDReused:
		return problem.WithLog(kind.New("A log with this request_id and other fields is recorded, or it was recorded without replacing another; this one is not.",
			problem.Field{Location: "body.request_id", Message: "must be another one for every log", Value: exampleRequest}), new(exampleRecorded()))
	case problem.Voided:
		return problem.WithLog(kind.New("The log with this request_id was taken back."), new(exampleVoided()))
	case problem.ReplacedUnknown:
		return kind.New("The log that this one should replace doesn't exist or doesn't count; this one is not recorded.",
			problem.Field{Location: "body.replaces", Message: "must be the request_id of a log of this user that counts", Value: exampleRequest})
	case problem.TooLarge:
		return kind.New("The body may have at most " + strconv.Itoa(maxLogBytes) + " bytes.")
	case problem.Unsupported:
		return kind.New("", problem.Field{Location: "header.Content-Type", Message: "must be application/json, in UTF-8", Value: "text/plain"})
	case problem.Invalid:
		return kind.New("",
			problem.Field{Location: "body.word_count", Message: "must be a whole number from 0 to 1000000", Value: -1},
			problem.Field{Location: "query.form", Message: unknownParameter})
	case problem.TooOld:
		return kind.New("The log is from before the time from which on logs are kept; it is not recorded.",
			problem.Field{Location: "body.timestamp", Message: "must not be before 2026-01-14T00:00:00Z: logs that are as old are not kept", Value: "2025-11-22T08:30:00Z"})
	case problem.TooManyFailures:
		return kind.New("").Later(3 * time.Second)
	case problem.QuotaExceeded:
		return kind.New("You may write 100 logs a second, on average, and 10000 at once.").Later(time.Second)
	case problem.Unavailable:
		return kind.New("The database does not answer.").Later(problem.RetryAfter)
	default:
		return kind.New("")
	}
}
