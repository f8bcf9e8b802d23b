package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"learninglog/command"
	"learninglog/query"
	"learninglog/rollup"
)

const maxRebuildBytes = 64 << 10

// NewRebuild says what to rebuild. It documents what decodeRebuild reads.
type NewRebuild struct {
	_ struct{} `additionalProperties:"false"`

	UserID *string `json:"user_id,omitempty" format:"uuid" doc:"Only this user."`
	From   *string `json:"from,omitempty" example:"2026-11-01" doc:"Only periods from the one that contains this date or RFC 3339 date-time on."`
	To     *string `json:"to,omitempty" example:"2026-11-30" doc:"Only periods through the one that contains this date or RFC 3339 date-time."`
	DryRun bool    `json:"dry_run,omitempty" doc:"Report the drift and leave it: verify."`
}

// Rebuild is a rebuild that was asked for, and how far it has come.
type Rebuild struct {
	ID       int64           `json:"id"`
	State    string          `json:"state" enum:"available,pending,scheduled,running,retryable,completed,cancelled,discarded" doc:"As River, the job queue, names it."`
	UserID   *string         `json:"user_id,omitempty" format:"uuid" doc:"The only user in scope."`
	From     *time.Time      `json:"from,omitempty" doc:"The scope begins with the periods that contain this instant."`
	To       *time.Time      `json:"to,omitempty" doc:"The scope ends with the periods that contain this instant."`
	DryRun   bool            `json:"dry_run" doc:"Whether drift is only reported."`
	Progress RebuildProgress `json:"progress"`

	RequestedAt time.Time  `json:"requested_at"`
	StartedAt   *time.Time `json:"started_at,omitempty" doc:"When it was last taken up."`
	FinishedAt  *time.Time `json:"finished_at,omitempty" doc:"When it was completed, cancelled or given up."`
	Error       string     `json:"error,omitempty" doc:"Why it was interrupted last."`
}

// RebuildProgress is how far a rebuild has come.
type RebuildProgress struct {
	UsersDone    int64          `json:"users_done"`
	LogsDone     int64          `json:"logs_done"`
	RowsDrifted  int64          `json:"rows_drifted" doc:"Rows of the rollup that the logs don't account for."`
	RowsRepaired int64          `json:"rows_repaired" doc:"Those that were put right: all of them, or none in a dry run."`
	Examples     []rollup.Drift `json:"examples" nullable:"false" doc:"The first drifted rows, at most 200. A list of rebuilds leaves them out."`
}

type newRebuildInput struct {
	payload
}

type newRebuildOutput struct {
	Location string `header:"Location" doc:"Where to watch the rebuild."`
	Body     Rebuild
}

type rebuildInput struct {
	ID int64 `path:"id" minimum:"1" doc:"The rebuild's id."`
}

type rebuildOutput struct {
	Body Rebuild
}

type rebuildsInput struct {
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"The most rebuilds to return."`
}

// Rebuilds is a list of rebuilds.
type Rebuilds struct {
	Rebuilds []Rebuild `json:"rebuilds" nullable:"false" doc:"Newest first."`
}

type rebuildsOutput struct {
	Body Rebuilds
}

func (s *server) registerRebuilds() {
	register(s, huma.Operation{
		OperationID:   "request-rebuild",
		Method:        http.MethodPost,
		Path:          "/v1/rebuilds",
		Summary:       "Ask for a rebuild",
		Description:   "Repairs drift while everybody goes on writing, or reports it with dry_run. Without a body: everything. While a rebuild of the same scope waits or runs, that one is answered instead of a new one.",
		Tags:          []string{tagRebuilds},
		DefaultStatus: http.StatusAccepted,
		RequestBody:   requestBody(false, "What to rebuild.", map[string]*huma.MediaType{mediaJSON: {Schema: schemaOf[NewRebuild](s)}}),
	}, []int{
		http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusUnsupportedMediaType, http.StatusServiceUnavailable,
	}, s.requestRebuild)

	register(s, huma.Operation{
		OperationID: "list-rebuilds",
		Method:      http.MethodGet,
		Path:        "/v1/rebuilds",
		Summary:     "List the latest rebuilds",
		Tags:        []string{tagRebuilds},
	}, []int{http.StatusServiceUnavailable}, s.listRebuilds)

	register(s, huma.Operation{
		OperationID: "get-rebuild",
		Method:      http.MethodGet,
		Path:        "/v1/rebuilds/{id}",
		Summary:     "Watch a rebuild",
		Description: "Rebuilds that have ended are kept for a day, those that were given up for a week.",
		Tags:        []string{tagRebuilds},
	}, []int{http.StatusNotFound, http.StatusServiceUnavailable}, s.getRebuild)
}

func (s *server) requestRebuild(ctx context.Context, input *newRebuildInput) (*newRebuildOutput, error) {
	text, err := input.read(maxRebuildBytes)
	if err != nil {
		return nil, err
	}
	if len(text) > 0 {
		if _, err := input.mediaType(mediaJSON); err != nil {
			return nil, err
		}
	}
	scope, dryRun, err := decodeRebuild(text, s.Zone)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.limitTime(ctx)
	defer cancel()
	requested, err := command.RequestRebuild(ctx, s.Jobs, scope, dryRun)
	if err != nil {
		return nil, err
	}
	rebuild, err := query.GetRebuild(ctx, s.Jobs, requested.ID)
	if err != nil {
		return nil, err
	}
	return &newRebuildOutput{
		Location: "/v1/rebuilds/" + strconv.FormatInt(rebuild.ID, 10),
		Body:     fromRebuild(rebuild),
	}, nil
}

func (s *server) listRebuilds(ctx context.Context, input *rebuildsInput) (*rebuildsOutput, error) {
	rebuilds, err := query.ListRebuilds(ctx, s.Jobs, input.Limit)
	if err != nil {
		return nil, err
	}
	output := &rebuildsOutput{Body: Rebuilds{Rebuilds: make([]Rebuild, len(rebuilds))}}
	for i, rebuild := range rebuilds {
		rebuild.Progress.Examples = nil
		output.Body.Rebuilds[i] = fromRebuild(rebuild)
	}
	return output, nil
}

func (s *server) getRebuild(ctx context.Context, input *rebuildInput) (*rebuildOutput, error) {
	rebuild, err := query.GetRebuild(ctx, s.Jobs, input.ID)
	if err != nil {
		return nil, err
	}
	return &rebuildOutput{Body: fromRebuild(rebuild)}, nil
}

func fromRebuild(rebuild query.Rebuild) Rebuild {
	scope, progress := rebuild.Args.Scope, RebuildProgress(rebuild.Progress)
	if progress.Examples == nil {
		progress.Examples = []rollup.Drift{}
	}
	body := Rebuild{
		ID:          rebuild.ID,
		State:       string(rebuild.State),
		From:        scope.From,
		To:          scope.To,
		DryRun:      rebuild.Args.DryRun,
		Progress:    progress,
		RequestedAt: rebuild.RequestedAt,
		StartedAt:   rebuild.StartedAt,
		FinishedAt:  rebuild.FinishedAt,
		Error:       rebuild.Error,
	}
	if scope.UserID != nil {
		id := scope.UserID.String()
		body.UserID = &id
	}
	return body
}
