package importer

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// sendSettings sends settings, those of a learner in a request, and returns those that have no
// final outcome.
func (s *Sender) sendSettings(ctx context.Context, all []inputLog) (rest []inputLog, err error) {
	for i, settings := range all {
		became, err := s.putSettings(ctx, settings)
		if err == nil {
			err = s.settle(settings, became)
		}
		if err != nil {
			return all[i:], err
		}
	}
	return nil, nil
}

// putSettings sends the settings of a learner, who must be named by a UUID: anything else could
// lead to another endpoint.
func (s *Sender) putSettings(ctx context.Context, settings inputLog) (became outcomeLine, err error) {
	var of struct {
		UserID uuid.UUID `json:"user_id"`
	}
	if err := json.Unmarshal(settings.json, &of); err != nil || of.UserID == uuid.Nil {
		return outcomeLine{Outcome: Invalid, Errors: []FieldProblem{{Location: userID, Message: "must be the UUID of a learner"}}}, nil
	}
	silence := s.config.AnswerTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, silence, fmt.Errorf("the service has said nothing for %s", silence))
	defer cancel()
	endpoint := s.config.Service.JoinPath(s.config.Input.action.usersPath, of.UserID.String(), "settings").String()
	response, err := s.request(ctx, http.MethodPut, "application/json", endpoint, []inputLog{settings})
	if err != nil {
		return outcomeLine{}, causeOf(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		return outcomeLine{Outcome: Recorded}, nil
	}
	refused := refusalOf(response)
	switch refused.status {
	case http.StatusGone:
		return outcomeLine{Outcome: Erased}, nil
	case http.StatusNotFound: // as what is of another learner than the key
		return outcomeLine{Outcome: Forbidden}, nil
	case http.StatusUnprocessableEntity:
		return outcomeLine{Outcome: Invalid, Errors: refused.errors}, nil
	case http.StatusRequestEntityTooLarge:
		return outcomeLine{Outcome: Invalid, Errors: []FieldProblem{{Message: refused.detail}}}, nil
	default:
		return outcomeLine{}, refused
	}
}
