package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const mediaType = "application/x-ndjson"

// outcomeLine is the outcome of a log as the service sends it.
type outcomeLine struct {
	Index       int             `json:"index"`
	Outcome     Outcome         `json:"outcome"`
	Retryable   bool            `json:"retryable"`
	LearningLog json.RawMessage `json:"learning_log"`
	Errors      []FieldProblem  `json:"errors"`
}

// Errors after which logs are sent again.
var (
	errEndedEarly = errors.New("the service ended its answer early")
	errFailed     = errors.New("the service failed with some logs")
)

// Errors of a service that serves those alone who have a key.
var (
	ErrKeyNeeded   = errors.New("the key is missing or isn't known")
	ErrScopeNeeded = errors.New("the key may not do this")
)

// refusal is a response without outcomes.
type refusal struct {
	status     int
	kind       error // one of the above, or nil
	detail     string
	retryAfter time.Duration
	errors     []FieldProblem
}

func (r *refusal) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("the service answered %d %s: %s", r.status, http.StatusText(r.status), r.detail), ": ")
}

// Unwrap returns what the service lacks, or nil.
func (r *refusal) Unwrap() error { return r.kind }

// isRetryable reports whether the same request may succeed later.
func (r *refusal) isRetryable() bool {
	return r.status >= http.StatusInternalServerError ||
		r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout
}

// errNotOurs means that the response doesn't come from a learninglog service.
var errNotOurs = errors.New("the answer is not that of a learninglog service: is the URL right?")

// sender returns what sends logs to an endpoint in one request.
func (s *Sender) sender(endpoint string) func(context.Context, []inputLog) ([]inputLog, error) {
	return func(ctx context.Context, logs []inputLog) (rest []inputLog, err error) {
		return s.send(ctx, endpoint, logs)
	}
}

// send sends logs in one request, and returns those that have no final outcome.
func (s *Sender) send(ctx context.Context, endpoint string, logs []inputLog) (rest []inputLog, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := s.config.AnswerTimeout
	watch := time.AfterFunc(silence, func() { cancel(fmt.Errorf("the service has said nothing for %s", silence)) })
	defer watch.Stop()

	response, err := s.request(ctx, http.MethodPost, mediaType, endpoint, logs)
	if err != nil {
		return logs, causeOf(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := check(response); err != nil {
		return logs, err
	}
	outcomes := json.NewDecoder(response.Body)
	for n, log := range logs {
		var became outcomeLine
		err := outcomes.Decode(&became)
		switch {
		case errors.Is(err, io.EOF):
			return append(rest, logs[n:]...), errEndedEarly
		case err != nil:
			return append(rest, logs[n:]...), fmt.Errorf("reading the outcomes: %w", causeOf(ctx, err))
		case became.Index != n || became.Outcome == "":
			return append(rest, logs[n:]...), errNotOurs
		case became.Outcome == Unauthenticated:
			return append(rest, logs[n:]...), &refusal{
				status: http.StatusUnauthorized, kind: ErrKeyNeeded, detail: "The key has expired or was revoked since the request began.",
			}
		}
		watch.Reset(silence)
		if became.Retryable {
			rest = append(rest, log)
			continue
		}
		if err := s.settle(log, became); err != nil {
			return append(rest, logs[n:]...), err
		}
	}
	_, _ = io.Copy(io.Discard, response.Body) // read to the end, so that the connection can be reused
	if len(rest) > 0 {
		return rest, errFailed
	}
	return nil, nil
}

// causeOf returns the cause if ctx has ended, because err is only a consequence
// then.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// request begins a request. The body is still being sent while the response is read,
// because neither side can buffer everything.
func (s *Sender) request(ctx context.Context, method, contentType, endpoint string, logs []inputLog) (*http.Response, error) {
	var body net.Buffers
	var length int64
	for _, log := range logs {
		body = append(body, log.json)
		length += int64(len(log.json))
	}
	request, err := http.NewRequestWithContext(ctx, method, endpoint, &body)
	if err != nil {
		return nil, err
	}
	request.ContentLength = length
	request.Header.Set("Content-Type", contentType)
	if s.config.Key != "" {
		request.Header.Set("Authorization", "Bearer "+s.config.Key)
	}
	return s.client.Do(request)
}

// check returns nil if the response has outcomes.
func check(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		if response.Header.Get("Content-Type") != mediaType {
			return errNotOurs
		}
		return nil
	}
	return refusalOf(response)
}

// refusalOf returns what a response says that has no outcomes.
func refusalOf(response *http.Response) *refusal {
	const mostDetail = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(response.Body, mostDetail))
	var problem struct {
		Type, Title, Detail string
		Errors              []FieldProblem
	}
	_ = json.Unmarshal(text, &problem) // a response of a proxy has none of these
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return &refusal{
		status:     response.StatusCode,
		kind:       kindOf(problem.Type),
		detail:     strings.TrimSpace(strings.Replace(problem.Title+". ", "?.", "?", 1) + problem.Detail),
		retryAfter: time.Duration(seconds) * time.Second,
		errors:     problem.Errors,
	}
}

// kindOf returns the error for a problem of a type, or nil if it isn't about a key.
func kindOf(problemType string) error {
	switch problemType {
	case "/problems/unauthenticated":
		return ErrKeyNeeded
	case "/problems/forbidden":
		return ErrScopeNeeded
	default:
		return nil
	}
}

// settle makes the outcome of a log final: it passes a mistake to Reject, and counts the
// outcome. If Reject fails, the log isn't settled.
func (s *Sender) settle(log inputLog, became outcomeLine) error {
	if became.Outcome.isReject() {
		if err := s.config.Reject(rejected(log, became)); err != nil {
			return err
		}
	}
	s.update(func(p *Progress) {
		p.Bytes = max(p.Bytes, log.offset)
		p.Trouble = nil
		if log.kind == someSettings && became.Outcome == Recorded {
			p.Settings++
		} else {
			p.Outcomes[became.Outcome]++
		}
	})
	return nil
}
