package rebuild

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river/rivertype"
)

// ErrNotFound is the error of an id that no rebuild has, or none any more.
var ErrNotFound = errors.New("there is no rebuild with this id")

// Requested is the rebuild that answers a request.
type Requested struct {
	ID int64
	// Joined says that it had been asked for before: its own workers and pace hold.
	Joined bool
	// Begun says that it had begun before it was asked for, and may be past what
	// has changed since. Whoever needs to know of now asks again when it has ended.
	Begun bool
}

// Request asks for a rebuild, or for a report of its drift where it is a dry run. A
// rebuild of the same scope that waits or runs already is not asked for again: that
// one is returned, whatever its pace.
//
// It fails as [Scope.Check] does; a user who is listed twice counts once.
func (j *Jobs) Request(ctx context.Context, args Args) (Requested, error) {
	args.Scope = args.Scope.Normalized() // the same scope, however it was written
	if err := args.Scope.Check(); err != nil {
		return Requested{}, err
	}
	inserted, err := j.client.Insert(ctx, args, nil)
	if err != nil {
		return Requested{}, fmt.Errorf("asking for a rebuild: %w", err)
	}
	return Requested{
		ID:     inserted.Job.ID,
		Joined: inserted.UniqueSkippedAsDuplicate,
		Begun:  inserted.UniqueSkippedAsDuplicate && inserted.Job.AttemptedAt != nil,
	}, nil
}

// Cancel asks for the end of a rebuild, whatever process works it. One that waits
// ends at once. One that runs gives up the chunk that it is at, in a moment, or
// within seconds where its process is gone; what it has repaired stays repaired. To
// one that has ended nothing happens.
//
// It fails with [ErrNotFound].
func (j *Jobs) Cancel(ctx context.Context, id int64) error {
	if _, err := j.find(ctx, id); err != nil { // another job isn't to be cancelled in its stead
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

// find returns River's job that is a rebuild with an id, or fails with [ErrNotFound].
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
