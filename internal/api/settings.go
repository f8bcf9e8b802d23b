package api

import (
	"context"
	"errors"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"learninglog/command"
	"learninglog/internal/problem"
	"learninglog/learning"
	"learninglog/query"
	"learninglog/rollup"
)

// NewSettings are settings that are to be set. It documents what decodeSettings reads.
type NewSettings struct {
	_ struct{} `additionalProperties:"false"`

	UserID      string `json:"user_id,omitempty" format:"uuid" doc:"The learner in the path, so that settings can be sent as they were read."`
	DisplayName string `json:"display_name,omitempty" minLength:"1" maxLength:"100" example:"Mia" doc:"What the learner is called, without control characters."`
	Goal        *Goal  `json:"goal,omitempty" doc:"What the learner wants to reach."`
	FreezeDays  int    `json:"freeze_days,omitempty" minimum:"0" maximum:"7" default:"0" example:"1" doc:"How many days in a row without a log don't end a streak of the learner."`
}

// Goal is how many words a learner wants to learn.
type Goal struct {
	Words int64  `json:"words" minimum:"1" maximum:"1000000000" example:"50" doc:"How many words."`
	Per   string `json:"per" enum:"day,week" example:"day" doc:"In which time."`
}

// Settings are what a learner has set.
type Settings struct {
	UserID      string `json:"user_id" format:"uuid"`
	DisplayName string `json:"display_name,omitempty" example:"Mia" doc:"What the learner is called. Left out, nothing is set."`
	Goal        *Goal  `json:"goal,omitempty" doc:"What the learner wants to reach. Left out, nothing is set."`
	FreezeDays  int    `json:"freeze_days" example:"1" doc:"How many days in a row without a log don't end a streak."`
}

// ExportedSettings are settings in an export.
type ExportedSettings struct {
	Settings

	ChangedAt time.Time `json:"changed_at"`
}

func fromSettings(user uuid.UUID, settings learning.Settings) Settings {
	shown := Settings{UserID: user.String(), DisplayName: settings.DisplayName, FreezeDays: settings.FreezeDays}
	if settings.Goal != (learning.Goal{}) {
		shown.Goal = &Goal{Words: settings.Goal.Words, Per: string(settings.Goal.Per)}
	}
	return shown
}

func fromExportedSettings(exported query.ExportedSettings) *ExportedSettings {
	return &ExportedSettings{fromSettings(exported.UserID, exported.Settings), exported.ChangedAt}
}

type (
	settingsInput struct {
		UserID      string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Which learner."`
		IfNoneMatch string `header:"If-None-Match" doc:"The ETag of an answer that you have: if it would be the same again, the answer is 304."`
	}
	newSettingsInput struct {
		payload

		UserID string `path:"user_id" format:"uuid" example:"0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22" doc:"Which learner."`
	}
	settingsOutput struct{ Body Settings }
)

func (s *server) documentGetSettings() huma.Operation {
	return huma.Operation{
		OperationID: "get-settings",
		Summary:     "What has a learner set?",
		Description: "Name, goal and freeze days. Nothing is set until somebody sets it.",
		Tags:        []string{tagLearners},
		Responses:   representedResponses(s, "The settings", exampleSettings()),
	}
}

func (s *server) documentPutSettings() huma.Operation {
	return huma.Operation{
		OperationID: "put-settings",
		Summary:     "Set name, goal and freeze days of a learner",
		Description: "All of them: what is left out or null is unset, so an empty object unsets everything. Doing it again changes nothing. " +
			"Streaks are by the freeze days from then on, those of the past too.",
		Tags:        []string{tagLearners},
		RequestBody: requestBody(true, "The settings.", examplesOf(schemaOf[NewSettings](s), exampleNewSettings())),
		Responses:   map[string]*huma.Response{"200": {Description: "They are set", Content: examplesOf(nil, exampleSettings())}},
	}
}

func (s *server) getSettings(ctx context.Context, input *settingsInput) (*huma.StreamResponse, error) {
	user, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	done, err := s.beginRead(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer done()
	settings, err := s.Reader.Settings(ctx, user)
	if err != nil {
		return nil, err
	}
	return inJSON(fromSettings(user, settings)).answer(input.IfNoneMatch), nil
}

// maxSettingsBytes has room for the longest name, however its characters are escaped.
const maxSettingsBytes = 8 << 10

func (s *server) putSettings(ctx context.Context, input *newSettingsInput) (*settingsOutput, error) {
	user, err := pathUUID("user_id", input.UserID)
	if err != nil {
		return nil, err
	}
	if _, err := input.mediaType(mediaJSON); err != nil {
		return nil, err
	}
	text, _, err := input.read(ctx, maxSettingsBytes, nil)
	if err != nil {
		return nil, err
	}
	settings, err := decodeSettings(user, text)
	if err != nil {
		return nil, err
	}
	done, err := s.beginChange(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, cancel := s.finish(ctx)
	defer cancel()
	if err := s.Recorder.ChangeSettings(ctx, user, settings); err != nil {
		return nil, err
	}
	return &settingsOutput{Body: fromSettings(user, settings)}, nil
}

// decodeSettings reads NewSettings of a learner. The command checks the rest.
func decodeSettings(user uuid.UUID, text []byte) (settings learning.Settings, err error) {
	o, err := newObject("body", text)
	if err != nil {
		return learning.Settings{}, err
	}
	if named := o.takeUUID("user_id", false); named != nil && *named != user {
		o.wrong("user_id", o.take("user_id", false), "must be the learner in the path, or left out")
	}
	if name := takeText(o, "display_name", "must be a name", command.ParseDisplayName); name != nil {
		settings.DisplayName = *name
	}
	settings.FreezeDays = o.takeNumber("freeze_days", 0, command.MaxFreezeDays, 0)
	if raw := o.take("goal", false); raw != nil {
		goal, err := newObject("body.goal", raw)
		if err != nil {
			return learning.Settings{}, err
		}
		if goal.take("words", true) != nil {
			settings.Goal.Words = int64(goal.takeNumber("words", 1, command.MaxGoalWords, 0))
		}
		if goal.take("per", true) != nil {
			if per := takeText(goal, "per", "must be day or week", parsePer); per != nil {
				settings.Goal.Per = *per
			}
		}
		o.problems = append(o.problems, goal.finish("words", "per")...)
	}
	if wrong := o.finish("user_id", "display_name", "goal", "freeze_days"); wrong != nil {
		return learning.Settings{}, problem.Invalid.New("", wrong...)
	}
	return settings, nil
}

func parsePer(text string) (rollup.Granularity, error) {
	if per := rollup.Granularity(text); per == rollup.Day || per == rollup.Week {
		return per, nil
	}
	return "", errors.New("must be day or week")
}
