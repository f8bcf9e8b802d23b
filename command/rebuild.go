package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"learninglog/rollup"
)

var (
	// ErrEmptyRange is the error of a range whose end comes before its beginning.
	ErrEmptyRange = errors.New("from must not be after to")
	// ErrTooManyUsers is the error of a scope that lists more users than it may.
	ErrTooManyUsers = fmt.Errorf("a scope must list at most %d users: "+
		"rebuild one list after the other, or everybody", rollup.MaxScopeUsers)
	// ErrNoRebuild is the error of an id that no rebuild has, or none any more.
	ErrNoRebuild = errors.New("there is no rebuild with this id")
)

const (
	// DefaultRebuildPace is how many logs a rebuild reads in a second unless it is
	// told otherwise: few enough to leave a busy database to its writers.
	DefaultRebuildPace = 20_000
	// MaxRebuildWorkers is the most connections that a rebuild may be worked on.
	MaxRebuildWorkers = 8
)

// jobInserter is what asking for a rebuild needs of River's client.
type jobInserter interface {
	Insert(ctx context.Context, args river.JobArgs, options *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// jobCanceller is what cancelling a rebuild needs of it.
type jobCanceller interface {
	JobGet(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobCancel(ctx context.Context, id int64) (*rivertype.JobRow, error)
}

// RequestedRebuild is the rebuild that answers a request.
type RequestedRebuild struct {
	ID int64
	// Joined says that it had been asked for before: its own workers and pace hold.
	Joined bool
	// Begun says that it had begun before it was asked for, and may be past what
	// has changed since. Whoever needs to know of now asks again when it has ended.
	Begun bool
}

// RequestRebuild asks for a rebuild, or for a report of its drift where it is a
// dry run. A rebuild of the same scope that waits or runs already is not asked
// for again: that one is returned, whatever its pace.
//
// It fails with [ErrEmptyRange] where From is after To, and with
// [ErrTooManyUsers] where there are more than [rollup.MaxScopeUsers].
func RequestRebuild(ctx context.Context, jobs jobInserter, args rollup.RebuildArgs) (RequestedRebuild, error) {
	args.Scope = args.Scope.Normalized() // the same scope, however it was written
	if args.Scope.From != nil && args.Scope.To != nil && args.Scope.From.After(*args.Scope.To) {
		return RequestedRebuild{}, ErrEmptyRange
	}
	if len(args.Scope.Users) > rollup.MaxScopeUsers {
		return RequestedRebuild{}, ErrTooManyUsers
	}
	inserted, err := jobs.Insert(ctx, args, nil)
	if err != nil {
		return RequestedRebuild{}, fmt.Errorf("asking for a rebuild: %w", err)
	}
	return RequestedRebuild{
		ID:     inserted.Job.ID,
		Joined: inserted.UniqueSkippedAsDuplicate,
		Begun:  inserted.UniqueSkippedAsDuplicate && inserted.Job.AttemptedAt != nil,
	}, nil
}

// CancelRebuild asks for the end of a rebuild, whatever process works it. One that
// waits ends at once. One that runs gives up the chunk that it is at, in a moment,
// or within seconds where its process is gone; what it has repaired stays
// repaired. To one that has ended nothing happens.
//
// It fails with [ErrNoRebuild].
func CancelRebuild(ctx context.Context, jobs jobCanceller, id int64) error {
	job, err := jobs.JobGet(ctx, id)
	if err == nil && job.Kind != (rollup.RebuildArgs{}).Kind() {
		return ErrNoRebuild // another job's, which isn't to be cancelled in its stead
	}
	if err == nil {
		_, err = jobs.JobCancel(ctx, id)
	}
	if errors.Is(err, rivertype.ErrNotFound) {
		return ErrNoRebuild
	}
	if err != nil {
		return fmt.Errorf("cancelling a rebuild: %w", err)
	}
	return nil
}
