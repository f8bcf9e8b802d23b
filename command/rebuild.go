package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"learninglog/rollup"
)

// ErrEmptyRange is the error of a range whose end comes before its beginning.
var ErrEmptyRange = errors.New("from must not be after to")

// jobs is what asking for a rebuild needs of River's client.
type jobs interface {
	Insert(ctx context.Context, args river.JobArgs, options *river.InsertOpts) (*rivertype.JobInsertResult, error)
}

// RequestedRebuild is the rebuild that answers a request.
type RequestedRebuild struct {
	ID int64
	// Begun says that it had begun before it was asked for, and may be past what
	// has changed since. Whoever needs to know of now asks again when it has ended.
	Begun bool
}

// DefaultRebuildPace is how many logs a rebuild reads in a second unless it is
// told otherwise: few enough to leave a busy database to its writers.
const DefaultRebuildPace = 100_000

// MaxRebuildWorkers is the most connections that a rebuild may be worked on.
const MaxRebuildWorkers = 8

// RequestRebuild asks for a rebuild, or for a report of its drift where it is a
// dry run. A rebuild of the same scope that waits or runs already is not asked
// for again: that one is returned, whatever its pace.
//
// It fails with [ErrEmptyRange] where From is after To.
func RequestRebuild(ctx context.Context, jobs jobs, args rollup.RebuildArgs) (RequestedRebuild, error) {
	args.Scope = args.Scope.Normalized() // the same scope, however it was written
	if args.Scope.From != nil && args.Scope.To != nil && args.Scope.From.After(*args.Scope.To) {
		return RequestedRebuild{}, ErrEmptyRange
	}
	inserted, err := jobs.Insert(ctx, args, nil)
	if err != nil {
		return RequestedRebuild{}, fmt.Errorf("asking for a rebuild: %w", err)
	}
	return RequestedRebuild{
		ID:    inserted.Job.ID,
		Begun: inserted.UniqueSkippedAsDuplicate && inserted.Job.AttemptedAt != nil,
	}, nil
}
