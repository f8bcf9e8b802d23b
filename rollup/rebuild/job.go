package rebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/riverqueue/river/rivertype"
)

// State is the current state of a rebuild, by River's name.
type State string

// The states of a rebuild. In the first four it waits; in the last three it has
// ended.
const (
	Available State = "available" // waits for a worker
	Pending   State = "pending"   // rare
	Scheduled State = "scheduled" // rare
	Retryable State = "retryable" // failed, and will be retried soon
	Running   State = "running"
	Completed State = "completed"
	Cancelled State = "cancelled"
	Discarded State = "discarded" // given up after many attempts
)

// Job is a requested rebuild and its progress.
type Job struct {
	ID       int64
	State    State
	Args     Args
	Progress Progress
	// Users is how many users the scope lists. 0 is no list. In a list of rebuilds, a long
	// list of users is left out of Args.
	Users int
	// RequestedAt, StartedAt, CancelRequestedAt and FinishedAt are in UTC. Nil means
	// that it hasn't happened yet.
	RequestedAt       time.Time
	StartedAt         *time.Time
	CancelRequestedAt *time.Time
	FinishedAt        *time.Time
	// Error is why the last attempt failed, or empty. A cancellation is not a
	// failure.
	Error string
}

// Ended reports whether the rebuild has ended, in whatever state.
func (j Job) Ended() bool { return j.FinishedAt != nil }

// IsBeingCancelled reports whether a cancellation was requested and the rebuild
// hasn't ended yet.
func (j Job) IsBeingCancelled() bool { return j.CancelRequestedAt != nil && !j.Ended() }

// Get returns one rebuild, or fails with [ErrNotFound]. Rebuilds are kept for a day
// after they have ended; discarded ones for a week.
func (j *Jobs) Get(ctx context.Context, id int64) (Job, error) {
	row, err := j.find(ctx, id)
	if err != nil {
		return Job{}, err
	}
	return newJob(row)
}

func newJob(row *rivertype.JobRow) (Job, error) {
	cancelled, err := cancelRequestedAt(row)
	if err != nil {
		return Job{}, err
	}
	job := Job{
		ID:                row.ID,
		State:             State(row.State),
		RequestedAt:       row.CreatedAt.UTC(),
		StartedAt:         inUTC(row.AttemptedAt),
		CancelRequestedAt: inUTC(cancelled),
		FinishedAt:        inUTC(row.FinalizedAt),
	}
	if err := json.Unmarshal(row.EncodedArgs, &job.Args); err != nil {
		return Job{}, fmt.Errorf("decoding the arguments of rebuild %d: %w", row.ID, err)
	}
	job.Users = len(job.Args.Scope.Users)
	if output := row.Output(); len(output) > 0 {
		if err := json.Unmarshal(output, &job.Progress); err != nil {
			return Job{}, fmt.Errorf("decoding the progress of rebuild %d: %w", row.ID, err)
		}
	}
	asWanted := job.State == Completed || job.State == Cancelled
	if attempts := len(row.Errors); attempts > 0 && !asWanted {
		job.Error = row.Errors[attempts-1].Error
	}
	return job, nil
}

// cancelRequestedAt returns when the cancellation of a job was requested, or nil.
// River keeps this time in the job's metadata, even after the job has ended.
func cancelRequestedAt(row *rivertype.JobRow) (*time.Time, error) {
	var metadata struct {
		CancelAttemptedAt *time.Time `json:"cancel_attempted_at"`
	}
	if err := json.Unmarshal(row.Metadata, &metadata); err != nil {
		return nil, fmt.Errorf("decoding the metadata of job %d: %w", row.ID, err)
	}
	return metadata.CancelAttemptedAt, nil
}
