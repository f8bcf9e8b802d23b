package api

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"learninglog/internal/caller"
	"learninglog/rollup"
	"learninglog/rollup/rebuild"
)

// Jobs is the queue of rebuilds, a [rebuild.Jobs].
type Jobs interface {
	Request(ctx context.Context, args rebuild.Args) (rebuild.Requested, error)
	Cancel(ctx context.Context, id int64) error
	CancelWaiting(ctx context.Context) (cancelled int, err error)
	Get(ctx context.Context, id int64) (rebuild.Job, error)
	List(ctx context.Context, limit int) ([]rebuild.Job, error)
	Verifications(ctx context.Context) ([]rebuild.Verification, error)
	Erase(ctx context.Context, users []uuid.UUID) (rebuild.Requested, error)
	Unerase(ctx context.Context, user uuid.UUID) error
	Erasures(ctx context.Context, after uuid.UUID, limit int) ([]rebuild.Erasure, error)
	RestoreSealedDays(ctx context.Context, days []rebuild.SealedDay) ([]rebuild.SealedDayOutcome, error)
}

// maxRebuildBytes has room for the largest list of users that a rebuild may have.
const maxRebuildBytes = 1 << 20

// NewRebuild is the request for a rebuild. It documents what decodeRebuild reads.
type NewRebuild struct {
	_ struct{} `additionalProperties:"false"`

	UserID           *string    `json:"user_id,omitempty" format:"uuid" doc:"Only this user."`
	UserIDs          []string   `json:"user_ids,omitempty" format:"uuid" minItems:"1" maxItems:"10000" doc:"Only these users."`
	RecordedSince    *time.Time `json:"recorded_since,omitempty" doc:"Only users of whom a log was recorded, voided or re-zoned at this instant or later."`
	From             *string    `json:"from,omitempty" example:"2026-11-01" doc:"Only periods from the one that contains this date on. A date-time means the date that it shows."`
	To               *string    `json:"to,omitempty" example:"2026-11-30" doc:"Only periods through the one that contains this date."`
	DryRun           bool       `json:"dry_run,omitempty" doc:"Report the drift and leave it: verify."`
	Workers          int        `json:"workers,omitempty" minimum:"1" maximum:"8" default:"1" doc:"On how many connections to work at the same time."`
	MaxLogsPerSecond *int       `json:"max_logs_per_second,omitempty" minimum:"0" default:"20000" doc:"How many logs to read in a second, on average: at least 1000, or 0, which is as many as it can, for when nobody else needs the database."`
}

// Rebuild is a requested rebuild and its progress.
type Rebuild struct {
	ID               int64           `json:"id"`
	State            string          `json:"state" enum:"available,pending,scheduled,running,retryable,completed,cancelled,discarded" doc:"As River, the job queue, names it."`
	UserIDs          []string        `json:"user_ids,omitempty" format:"uuid" doc:"The only users in scope. A list of rebuilds leaves them out, and so do events."`
	RecordedSince    *time.Time      `json:"recorded_since,omitempty" doc:"The scope is the users of whom a log was recorded, voided or re-zoned at this instant or later."`
	From             *rollup.Date    `format:"date" json:"from,omitempty" doc:"The scope begins with the periods that contain this date."`
	To               *rollup.Date    `format:"date" json:"to,omitempty" doc:"The scope ends with the periods that contain this date."`
	DryRun           bool            `json:"dry_run" doc:"Whether drift is only reported, or logs only counted."`
	TimeZone         string          `json:"time_zone,omitempty" example:"Asia/Tokyo" doc:"It is a re-zone: logs in scope get the offsets of this zone."`
	Erase            bool            `json:"erase,omitempty" doc:"It erases learners: whoever is in /v1/erasures and not done. logs_done counts the logs that are deleted."`
	PurgeOlderThan   int             `json:"purge_older_than_days,omitempty" example:"400" doc:"It is a purge: logs that are older than so many days are refused, and those that are a day older are deleted."`
	Routine          bool            `json:"routine" doc:"Whether the service began it, to verify a sample and whoever was active."`
	Workers          int             `json:"workers" doc:"On how many connections it is worked at the same time."`
	MaxLogsPerSecond int             `json:"max_logs_per_second" doc:"How many logs it reads in a second at most, on average. 0 is as many as it can."`
	Progress         RebuildProgress `json:"progress"`

	RequestedAt       time.Time  `json:"requested_at"`
	StartedAt         *time.Time `json:"started_at,omitempty" doc:"When it was last taken up."`
	CancelRequestedAt *time.Time `json:"cancel_requested_at,omitempty" doc:"When it was asked to cancel it. It has ended only when finished_at says so."`
	FinishedAt        *time.Time `json:"finished_at,omitempty" doc:"When it was completed, cancelled or given up."`
	Error             string     `json:"error,omitempty" doc:"Why it was interrupted last."`
}

// RebuildProgress is how far a rebuild has come.
type RebuildProgress struct {
	UsersDone     int64               `json:"users_done"`
	LogsDone      int64               `json:"logs_done" doc:"A day whose logs were purged counts as one."`
	LogsExpected  int64               `json:"logs_expected" doc:"About how many logs the scope has, by PostgreSQL's statistics when the rebuild began. 0 is unknown."`
	LogsPerSecond float64             `json:"logs_per_second" doc:"How fast it has been."`
	Seconds       float64             `json:"seconds" doc:"How long it has been worked, without interruptions."`
	SecondsLeft   *float64            `json:"seconds_left,omitempty" doc:"About how long it will take yet, while it runs and where that can be told."`
	LogsRezoned   int64               `json:"logs_rezoned,omitempty" doc:"Of a re-zone: the logs that have another offset now."`
	LogsPurged    int64               `json:"logs_purged,omitempty" doc:"Of a purge: the logs that were deleted, or would be in a dry run."`
	BytesPurged   int64               `json:"bytes_purged,omitempty" doc:"Of a purge: about how many bytes these logs took, with their indexes."`
	PurgedBefore  *time.Time          `json:"purged_before,omitempty" doc:"Of a purge: logs with timestamps before this are deleted. Of a re-zone: logs before this were purged, and their days stay as they are."`
	RowsDrifted   int64               `json:"rows_drifted" doc:"Rows of the rollup that the logs don't account for."`
	RowsRepaired  int64               `json:"rows_repaired" doc:"Those that were put right: all of them, or none in a dry run or a purge, which leaves such learners as they are."`
	Drifted       rebuild.DriftedRows `json:"drifted" doc:"The rows that had drifted, by granularity."`
	Examples      []rebuild.Drift     `json:"examples" nullable:"false" doc:"The rows that were furthest from the truth, the worst first, at most 100. A list of rebuilds leaves them out."`
}

type newRebuildInput struct {
	payload
}

// RequestedRebuild is the rebuild that a request resulted in.
type RequestedRebuild struct {
	Rebuild

	Joined   bool `json:"joined" doc:"Whether it had been requested before: then its own workers and pace hold."`
	HadBegun bool `json:"had_begun" doc:"Whether it had begun before this request, so that it may have passed rows that have changed since. To check the present state, ask again when it has ended."`
}

type newRebuildOutput struct {
	Location string `header:"Location" doc:"Where to watch the rebuild."`
	Body     RequestedRebuild
}

type rebuildInput struct {
	ID int64 `path:"id" minimum:"1" example:"7" doc:"The rebuild's id."`
}

type rebuildOutput struct {
	Body Rebuild
}

type cancelOutput struct {
	Status int
	Body   Rebuild
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

func (s *server) documentRequestRebuild() huma.Operation {
	return huma.Operation{
		OperationID:   "request-rebuild",
		Summary:       "Ask for a rebuild",
		Description:   "Repairs drift while everybody goes on writing, or reports it with dry_run. Without a body: everything. While a rebuild of the same scope waits or runs, that one is answered instead of a new one, even if its cancel_requested_at says that it is about to end; joined and had_begun say so.",
		Tags:          []string{tagRebuilds},
		DefaultStatus: http.StatusAccepted,
		RequestBody:   requestBody(false, "What to rebuild.", examplesOf(schemaOf[NewRebuild](s), map[string]any{"user_id": exampleUser, "from": "2026-11-01", "dry_run": true})),
	}
}

func documentListRebuilds() huma.Operation {
	return huma.Operation{
		OperationID: "list-rebuilds",
		Summary:     "List the latest rebuilds",
		Tags:        []string{tagRebuilds},
	}
}

func documentGetRebuild() huma.Operation {
	return huma.Operation{
		OperationID: "get-rebuild",
		Summary:     "Get a rebuild",
		Description: "Rebuilds that have ended are kept for a day, those that were given up for a week.",
		Tags:        []string{tagRebuilds},
	}
}

func (s *server) documentCancelRebuild() huma.Operation {
	body := map[string]*huma.MediaType{mediaJSON: {Schema: schemaOf[Rebuild](s)}}
	return huma.Operation{
		OperationID: "cancel-rebuild",
		Summary:     "Cancel a rebuild",
		Description: "One that runs gives up the chunk that it is at, in a moment, or within seconds where its process is gone. " +
			"What it has repaired stays repaired. One that has ended stays as it ended.",
		Tags: []string{tagRebuilds},
		Responses: map[string]*huma.Response{
			"200": {Description: "It has ended: the state says how", Content: body},
			"202": {Description: "It is about to end", Content: body},
		},
	}
}

func (s *server) requestRebuild(ctx context.Context, input *newRebuildInput) (*newRebuildOutput, error) {
	text, release, err := input.read(ctx, maxRebuildBytes, s.bodies)
	if err != nil {
		return nil, err
	}
	defer release()
	if len(text) > 0 {
		if _, err := input.mediaType(mediaJSON); err != nil {
			return nil, err
		}
	}
	args, err := decodeRebuild(text)
	if err != nil {
		return nil, err
	}
	return s.requestJob(ctx, args)
}

// requestJob requests a rebuild or a re-zone, and answers where to watch it.
func (s *server) requestJob(ctx context.Context, args rebuild.Args) (*newRebuildOutput, error) {
	ctx, cancel := s.finish(ctx)
	defer cancel()
	if s.Access != nil { // an address may be that of a proxy, and so of everybody
		args.Requester = caller.Of(ctx).String()
	}
	requested, err := s.Jobs.Request(ctx, args)
	if err != nil {
		return nil, err
	}
	return s.answerRequested(ctx, requested)
}

// answerRequested answers where to watch a job that was requested.
func (s *server) answerRequested(ctx context.Context, requested rebuild.Requested) (*newRebuildOutput, error) {
	job, err := s.Jobs.Get(ctx, requested.ID)
	if err != nil {
		return nil, err
	}
	return &newRebuildOutput{
		Location: "/v1/rebuilds/" + strconv.FormatInt(job.ID, 10),
		Body:     RequestedRebuild{Rebuild: fromRebuild(job), Joined: requested.Joined, HadBegun: requested.Begun},
	}, nil
}

func (s *server) listRebuilds(ctx context.Context, input *rebuildsInput) (*rebuildsOutput, error) {
	const oneRebuild = 2 << 10 // bytes in memory, roughly
	done, err := s.beginRead(ctx, input.Limit*oneRebuild)
	if err != nil {
		return nil, err
	}
	defer done()
	rebuilds, err := s.Jobs.List(ctx, input.Limit)
	if err != nil {
		return nil, err
	}
	output := &rebuildsOutput{Body: Rebuilds{Rebuilds: make([]Rebuild, len(rebuilds))}}
	for i, job := range rebuilds {
		job.Args.Scope.Users = nil
		output.Body.Rebuilds[i] = fromRebuild(job)
	}
	return output, nil
}

func (s *server) getRebuild(ctx context.Context, input *rebuildInput) (*rebuildOutput, error) {
	const oneRebuild = 256 << 10 // bytes in memory, roughly, with a list of users
	done, err := s.beginRead(ctx, oneRebuild)
	if err != nil {
		return nil, err
	}
	defer done()
	job, err := s.Jobs.Get(ctx, input.ID)
	if err != nil {
		return nil, err
	}
	return &rebuildOutput{Body: fromRebuild(job)}, nil
}

func (s *server) cancelRebuild(ctx context.Context, input *rebuildInput) (*cancelOutput, error) {
	ctx, cancel := s.finish(ctx)
	defer cancel()
	if err := s.Jobs.Cancel(ctx, input.ID); err != nil {
		return nil, err
	}
	job, err := s.Jobs.Get(ctx, input.ID)
	if err != nil {
		return nil, err
	}
	output := &cancelOutput{Status: http.StatusAccepted, Body: fromRebuild(job)}
	if job.Ended() {
		output.Status = http.StatusOK
	}
	return output, nil
}

func fromRebuild(job rebuild.Job) Rebuild {
	args := job.Args
	body := Rebuild{
		ID:               job.ID,
		State:            string(job.State),
		RecordedSince:    args.Scope.RecordedSince,
		From:             args.Scope.From,
		To:               args.Scope.To,
		DryRun:           args.DryRun,
		TimeZone:         args.TimeZone,
		Erase:            args.Erase,
		PurgeOlderThan:   args.PurgeOlderThanDays,
		Routine:          args.Routine,
		Workers:          max(1, args.Workers),
		MaxLogsPerSecond: args.MaxLogsPerSecond,
		Progress:         fromProgress(job),

		RequestedAt:       job.RequestedAt,
		StartedAt:         job.StartedAt,
		CancelRequestedAt: job.CancelRequestedAt,
		FinishedAt:        job.FinishedAt,
		Error:             job.Error,
	}
	for _, user := range args.Scope.Users {
		body.UserIDs = append(body.UserIDs, user.String())
	}
	return body
}

func fromProgress(job rebuild.Job) RebuildProgress {
	progress := job.Progress
	body := RebuildProgress{
		UsersDone:     progress.UsersDone,
		LogsDone:      progress.LogsDone,
		LogsExpected:  progress.LogsExpected,
		LogsPerSecond: math.Round(progress.LogsPerSecond()),
		Seconds:       progress.Seconds,
		LogsRezoned:   progress.LogsRezoned,
		LogsPurged:    progress.LogsPurged,
		BytesPurged:   progress.BytesPurged,
		PurgedBefore:  progress.PurgedBefore,
		RowsDrifted:   progress.RowsDrifted,
		RowsRepaired:  progress.RowsRepaired,
		Drifted:       progress.Drifted,
		Examples:      progress.Examples,
	}
	if left, known := progress.Remaining(); known && !job.Ended() {
		body.SecondsLeft = new(left.Seconds())
	}
	if body.Examples == nil {
		body.Examples = []rebuild.Drift{}
	}
	return body
}
