package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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

func (s *Sender) putSettings(ctx context.Context, settings inputLog) (became outcomeLine, err error) {
	silence := s.config.AnswerTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, silence, fmt.Errorf("the service has said nothing for %s", silence))
	defer cancel()
	var of sentSettings
	if err := json.Unmarshal(settings.json, &of); err != nil {
		return outcomeLine{}, err
	}
	endpoint := s.config.Service.JoinPath(s.config.Input.action.usersPath, url.PathEscape(of.UserID), "settings").String()
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
	default:
		return outcomeLine{}, refused
	}
}
