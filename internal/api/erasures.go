package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"learninglog/internal/problem"
)

// Erasure says that a learner was erased.
type Erasure struct {
	UserID   string     `json:"user_id" format:"uuid"`
	ErasedAt time.Time  `json:"erased_at" doc:"When it was asked for: nothing was recorded any more a few seconds later."`
	DoneAt   *time.Time `json:"done_at,omitempty" doc:"When nothing of the learner was left. It is left out while a job is at it."`
}

// Erasures is a page of the learners who were erased.
type Erasures struct {
	Erasures   []Erasure `json:"erasures" nullable:"false" doc:"In the order of their ids."`
	NextCursor string    `json:"next_cursor,omitempty" doc:"The cursor of the next page, if there is one."`
}

type userInput struct {
	UserID string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Which learner."`
}

type erasuresInput struct {
	Cursor string `query:"cursor" doc:"The next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The most learners in a page."`
}

type erasuresOutput struct {
	Link string `header:"Link" doc:"The next page, if there is one: rel=next."`
	Body Erasures
}

func documentErase() huma.Operation {
	return huma.Operation{
		OperationID: "erase-user",
		Summary:     "Erase a learner",
		Description: "Deletes everything of a learner, for good: logs, totals, keys and sessions of the learner, and what else names them. " +
			"It is a job like a rebuild: watch it there. It takes some 25 seconds, or longer with very many logs. " +
			"From a few seconds after the answer on, whatever is posted of the learner has the outcome erased (410), and what came before that is deleted too. " +
			"So late retries of the learner's devices bring nothing back. " +
			"Asking again looks for them once more. /v1/erasures lists whom this was done to, and takes it back: then logs are recorded again, and nothing else comes back.",
		Tags:          []string{tagLearners},
		DefaultStatus: http.StatusAccepted,
	}
}

func documentListErasures() huma.Operation {
	return huma.Operation{
		OperationID: "list-erasures",
		Summary:     "List the learners who were erased",
		Tags:        []string{tagLearners},
	}
}

func documentUnerase() huma.Operation {
	return huma.Operation{
		OperationID: "unerase-user",
		Summary:     "Let logs of an erased learner be recorded again",
		Description: "Within ten seconds, everywhere. What was deleted stays deleted.",
		Tags:        []string{tagLearners},
	}
}

func (s *server) erase(ctx context.Context, input *userInput) (*newRebuildOutput, error) {
	user, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	requested, err := s.Jobs.Erase(ctx, []uuid.UUID{user})
	if err != nil {
		return nil, err
	}
	return s.answerRequested(ctx, requested)
}

func (s *server) unerase(ctx context.Context, input *userInput) (*struct{}, error) {
	user, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.finish(ctx)
	defer cancel()
	return nil, s.Jobs.Unerase(ctx, user)
}

func (s *server) listErasures(ctx context.Context, input *erasuresInput) (*erasuresOutput, error) {
	after := uuid.Nil
	if input.Cursor != "" {
		var err error
		if after, err = uuid.Parse(input.Cursor); err != nil {
			return nil, problem.Invalid.New("", problem.Field{
				Location: "query.cursor", Message: "must be the next_cursor of a page, unchanged", Value: short(input.Cursor),
			})
		}
	}
	const oneErasure = 200 // bytes in memory, roughly
	done, err := s.beginRead(ctx, input.Limit*oneErasure)
	if err != nil {
		return nil, err
	}
	defer done()
	erasures, err := s.Jobs.Erasures(ctx, after, input.Limit+1)
	if err != nil {
		return nil, err
	}
	output := &erasuresOutput{Body: Erasures{Erasures: []Erasure{}}}
	for i, erasure := range erasures {
		if i == input.Limit {
			output.Body.NextCursor = output.Body.Erasures[i-1].UserID
			parameters := url.Values{"cursor": {output.Body.NextCursor}, "limit": {strconv.Itoa(input.Limit)}}
			output.Link = "</v1/erasures?" + parameters.Encode() + `>; rel="next"`
			break
		}
		output.Body.Erasures = append(output.Body.Erasures, Erasure{
			UserID: erasure.UserID.String(), ErasedAt: erasure.ErasedAt, DoneAt: erasure.DoneAt,
		})
	}
	return output, nil
}
