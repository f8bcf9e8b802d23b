package command

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// RequestRebuild asks for a rebuild of scope, or for a report of its drift where
// dryRun is true. A rebuild of the same scope that waits or runs already is not
// asked for again: that one is returned.
//
// It fails with [ErrEmptyRange] where From is after To.
func RequestRebuild(ctx context.Context, jobs jobs, scope rollup.Scope, dryRun bool) (RequestedRebuild, error) {
	if scope.From != nil && scope.To != nil && scope.From.After(*scope.To) {
		return RequestedRebuild{}, ErrEmptyRange
	}
	// The same instant is the same scope, in whatever zone it was written.
	args := rollup.RebuildArgs{
		Scope:  rollup.Scope{UserID: scope.UserID, From: inUTC(scope.From), To: inUTC(scope.To)},
		DryRun: dryRun,
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

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
