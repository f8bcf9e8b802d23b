package api

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/internal/problem"
	"learninglog/query"
)

type logInput struct {
	UserID    string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Who learned."`
	RequestID string `path:"request_id" format:"uuid" example:"6f0b5d1e-8c0a-4a57-9d0e-3b1f6f0f3c11" doc:"The client's name for the log."`
}

type logOutput struct {
	Body LearningLog
}

// LearningLogs is a page of a user's logs.
type LearningLogs struct {
	LearningLogs []LearningLog `json:"learning_logs" nullable:"false" doc:"Newest first, by timestamp."`
	NextCursor   string        `json:"next_cursor,omitempty" doc:"The cursor of the next page, if there is one. Ask for it with the same from, to, voided and limit, which the cursor doesn't have; the Link has all of them."`
	PurgedBefore *time.Time    `json:"purged_before,omitempty" doc:"Logs with timestamps before this were deleted to save space: the list doesn't have them, and summaries still count them. It is left out if no such log could be in the list."`
}

type logsInput struct {
	UserID string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Who learned."`
	From   string `query:"from" example:"2026-11-01" doc:"Only logs that count on this date or later. A date-time means the date that it shows."`
	To     string `query:"to" example:"2026-11-30" doc:"Only logs that count on this date or earlier."`
	Voided string `query:"voided" enum:"exclude,include" default:"exclude" doc:"Whether logs that were taken back are in the list."`
	Cursor string `query:"cursor" doc:"The next_cursor of the page before, together with all other parameters of that page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The most logs in a page."`
}

type logsOutput struct {
	Link string `header:"Link" doc:"The next page, if there is one: rel=next."`
	Body LearningLogs
}

func documentGetLog() huma.Operation {
	return huma.Operation{
		OperationID: "get-learning-log",
		Summary:     "Was it recorded?",
		Description: "A log that was taken back is answered too, with voided_at. 404 means that it isn't recorded, or not any more, or is another learner's.",
		Tags:        []string{tagLogs},
		Responses:   map[string]*huma.Response{"200": {Description: "It is recorded", Content: examplesOf(nil, exampleRecorded())}},
	}
}

func documentListLogs() huma.Operation {
	return huma.Operation{
		OperationID: "list-learning-logs",
		Summary:     "List a user's learning logs",
		Description: "Newest first, by timestamp, in pages. No log is shown twice, and none that was there at the first page is left out, however many are being recorded. " +
			"Go on with the Link, or with next_cursor and the same parameters, until there is none.",
		Tags:      []string{tagLogs},
		Responses: map[string]*huma.Response{"200": {Description: "A page", Content: examplesOf(nil, LearningLogs{LearningLogs: []LearningLog{exampleRecorded()}})}},
	}
}

func (s *server) getLog(ctx context.Context, input *logInput) (*logOutput, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	requestID, err := pathUUID("request_id", input.RequestID)
	if err != nil {
		return nil, err
	}
	done, err := s.beginRead(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	log, err := s.Reader.Log(ctx, userID, requestID)
	if errors.Is(err, query.ErrNotFound) {
		return nil, problem.NoSuchLog(s.Reader.PurgedBefore())
	}
	if err != nil {
		return nil, err
	}
	return &logOutput{Body: fromLog(log)}, nil
}

func (s *server) listLogs(ctx context.Context, input *logsInput) (*logsOutput, error) {
	request, err := s.logsRequest(input)
	if err != nil {
		return nil, err
	}
	const oneLog = 1000 // bytes in memory, roughly
	done, err := s.beginRead(ctx, request.Limit*oneLog)
	if err != nil {
		return nil, err
	}
	defer done()
	page, err := s.Reader.Logs(ctx, request)
	if err != nil {
		return nil, err
	}
	output := &logsOutput{Body: LearningLogs{LearningLogs: make([]LearningLog, len(page.Logs))}}
	for i, log := range page.Logs {
		output.Body.LearningLogs[i] = fromLog(log)
	}
	if !page.PurgedBefore.IsZero() {
		output.Body.PurgedBefore = &page.PurgedBefore
	}
	if page.Next != nil {
		output.Body.NextCursor = page.Next.String()
		output.Link = nextLink(input, output.Body.NextCursor)
	}
	return output, nil
}

func (s *server) logsRequest(input *logsInput) (query.LogsRequest, error) {
	userID, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return query.LogsRequest{}, err
	}
	request := query.LogsRequest{UserID: userID, Limit: input.Limit, WithVoided: input.Voided == "include"}
	if request.From, err = queryDate("from", input.From); err != nil {
		return query.LogsRequest{}, err
	}
	if request.To, err = queryDate("to", input.To); err != nil {
		return query.LogsRequest{}, err
	}
	if input.Cursor != "" {
		cursor, err := query.ParseCursor(input.Cursor)
		if err != nil {
			return query.LogsRequest{}, err
		}
		request.After = &cursor
	}
	return request, nil
}

// nextLink returns a link (RFC 8288) that repeats the request with another cursor.
func nextLink(input *logsInput, cursor string) string {
	parameters := url.Values{"cursor": {cursor}, "limit": {strconv.Itoa(input.Limit)}}
	if input.From != "" {
		parameters.Set("from", input.From)
	}
	if input.To != "" {
		parameters.Set("to", input.To)
	}
	if input.Voided != "" {
		parameters.Set("voided", input.Voided)
	}
	return "</v1/users/" + input.UserID + "/learning-logs?" + parameters.Encode() + `>; rel="next"`
}
