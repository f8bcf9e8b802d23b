package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"learninglog/rollup"
)

// Rebuild is a rebuild that was asked for, and how far it has come.
type Rebuild struct {
	ID int64
	// State is as River names it: available, running, retryable, completed,
	// cancelled or discarded, and rarely pending or scheduled.
	State    rivertype.JobState
	Args     rollup.RebuildArgs
	Progress rollup.RebuildProgress
	// RequestedAt, StartedAt, CancelRequestedAt and FinishedAt are in UTC; nil is
	// not yet.
	RequestedAt       time.Time
	StartedAt         *time.Time
	CancelRequestedAt *time.Time
	FinishedAt        *time.Time
	// Error is why the last attempt failed, or empty. A cancellation is no failure.
	Error string
}

// Ended says whether nothing more will happen to the rebuild.
func (r Rebuild) Ended() bool { return r.FinishedAt != nil }

type jobGetter interface {
	JobGet(ctx context.Context, id int64) (*rivertype.JobRow, error)
}

type jobLister interface {
	JobList(ctx context.Context, params *river.JobListParams) (*river.JobListResult, error)
}

// GetRebuild returns one rebuild, or fails with [ErrNotFound]. Completed
// rebuilds are kept for a day.
func GetRebuild(ctx context.Context, jobs jobGetter, id int64) (Rebuild, error) {
	job, err := jobs.JobGet(ctx, id)
	if errors.Is(err, rivertype.ErrNotFound) || (err == nil && job.Kind != rollup.RebuildArgs{}.Kind()) {
		return Rebuild{}, ErrNotFound
	}
	if err != nil {
		return Rebuild{}, fmt.Errorf("reading a rebuild: %w", err)
	}
	return toRebuild(job)
}

// ListRebuilds returns the latest rebuilds, newest first, at most limit.
func ListRebuilds(ctx context.Context, jobs jobLister, limit int) ([]Rebuild, error) {
	params := river.NewJobListParams().
		Kinds(rollup.RebuildArgs{}.Kind()).
		OrderBy(river.JobListOrderByID, river.SortOrderDesc).
		First(limit)
	list, err := jobs.JobList(ctx, params)
	if err != nil {
		return nil, fmt.Errorf("listing rebuilds: %w", err)
	}
	rebuilds := make([]Rebuild, 0, len(list.Jobs))
	for _, job := range list.Jobs {
		rebuild, err := toRebuild(job)
		if err != nil {
			return nil, err
		}
		rebuilds = append(rebuilds, rebuild)
	}
	return rebuilds, nil
}

func toRebuild(job *rivertype.JobRow) (Rebuild, error) {
	cancelled, err := rollup.CancelRequestedAt(job)
	if err != nil {
		return Rebuild{}, err
	}
	rebuild := Rebuild{
		ID:                job.ID,
		State:             job.State,
		RequestedAt:       job.CreatedAt.UTC(),
		StartedAt:         inUTC(job.AttemptedAt),
		CancelRequestedAt: inUTC(cancelled),
		FinishedAt:        inUTC(job.FinalizedAt),
	}
	if err := json.Unmarshal(job.EncodedArgs, &rebuild.Args); err != nil {
		return Rebuild{}, fmt.Errorf("decoding the arguments of rebuild %d: %w", job.ID, err)
	}
	if output := job.Output(); len(output) > 0 {
		if err := json.Unmarshal(output, &rebuild.Progress); err != nil {
			return Rebuild{}, fmt.Errorf("decoding the progress of rebuild %d: %w", job.ID, err)
		}
	}
	asWanted := job.State == rivertype.JobStateCompleted || job.State == rivertype.JobStateCancelled
	if attempts := len(job.Errors); attempts > 0 && !asWanted {
		rebuild.Error = job.Errors[attempts-1].Error
	}
	return rebuild, nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
