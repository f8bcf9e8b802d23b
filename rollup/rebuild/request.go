package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river/rivertype"
)

// ErrNotFound means that there is no rebuild with that id, or that it was deleted.
var ErrNotFound = errors.New("there is no rebuild with this id")

// Requested is the rebuild that a request resulted in.
type Requested struct {
	ID int64
	// Joined says that the rebuild had been requested before. Its own workers and
	// pace remain in force.
	Joined bool
	// Begun says that the rebuild had begun before this request, so it may have
	// passed rows that have changed since. To check the current state, request again
	// after it has ended.
	Begun bool
}

// Request requests a rebuild, or a report of drift if it is a dry run. If a rebuild
// of the same scope is already waiting or running, Request returns that one,
// whatever its pace is.
//
// It fails in the same cases as [Scope.Check], with [ErrTooMany] and with
// [ErrTooManyOfOne]. A user who is listed twice counts once.
func (j *Jobs) Request(ctx context.Context, args Args) (Requested, error) {
	args.Scope = args.Scope.Normalized() // equal scopes must be written equally
	if err := args.Scope.Check(); err != nil {
		return Requested{}, err
	}
	inserted, err := j.insertBounded(ctx, args)
	if err != nil {
		return Requested{}, fmt.Errorf("asking for a rebuild: %w", err)
	}
	return newRequested(inserted), nil
}

func newRequested(inserted *rivertype.JobInsertResult) Requested {
	return Requested{
		ID:     inserted.Job.ID,
		Joined: inserted.UniqueSkippedAsDuplicate,
		Begun:  inserted.UniqueSkippedAsDuplicate && inserted.Job.AttemptedAt != nil,
	}
}

// Cancel requests the cancellation of a rebuild, in whatever process it runs. A
// rebuild that waits ends at once. One that runs rolls back its current chunk and
// ends in a moment, or within seconds if its process has died. What it has repaired
// stays repaired. A rebuild that has ended is not changed.
//
// It fails with [ErrNotFound].
func (j *Jobs) Cancel(ctx context.Context, id int64) error {
	if _, err := j.find(ctx, id); err != nil { // the id may belong to a job of another kind
		return err
	}
	_, err := j.client.JobCancel(ctx, id)
	if errors.Is(err, rivertype.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("cancelling a rebuild: %w", err)
	}
	return nil
}

// find returns River's row of a rebuild, or fails with [ErrNotFound].
func (j *Jobs) find(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	job, err := j.client.JobGet(ctx, id)
	if errors.Is(err, rivertype.ErrNotFound) || (err == nil && job.Kind != Args{}.Kind()) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a rebuild: %w", err)
	}
	return job, nil
}
