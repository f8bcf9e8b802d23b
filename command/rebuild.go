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

// RequestRebuild asks for a rebuild of scope, or for a report of its drift where
// dryRun is true, and returns the rebuild's id. A rebuild of the same scope that
// waits or runs already is not asked for again: its id is returned.
//
// It fails with [ErrEmptyRange] where From is after To.
func RequestRebuild(ctx context.Context, jobs jobs, scope rollup.Scope, dryRun bool) (id int64, err error) {
	if scope.From != nil && scope.To != nil && scope.From.After(*scope.To) {
		return 0, ErrEmptyRange
	}
	// The same instant is the same scope, in whatever zone it was written.
	args := rollup.RebuildArgs{
		Scope:  rollup.Scope{UserID: scope.UserID, From: inUTC(scope.From), To: inUTC(scope.To)},
		DryRun: dryRun,
	}
	inserted, err := jobs.Insert(ctx, args, nil)
	if err != nil {
		return 0, fmt.Errorf("asking for a rebuild: %w", err)
	}
	return inserted.Job.ID, nil
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	utc := t.UTC()
	return &utc
}
