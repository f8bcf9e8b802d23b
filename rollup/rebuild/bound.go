package rebuild

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// MaxUnfinished is how many requested rebuilds and re-zones may wait or run at the same
// time. Operators may have as many besides.
const MaxUnfinished = 100

// MaxUnfinishedEach is how many of them may be of one requester who has a name.
const MaxUnfinishedEach = MaxUnfinished / 4

// ErrTooMany means that [MaxUnfinished] rebuilds and re-zones wait or run.
var ErrTooMany = fmt.Errorf("%d rebuilds and re-zones wait or run, and there may be no more: "+
	"wait until some have ended, or cancel those that wait", MaxUnfinished)

// ErrTooManyOfOne means that [MaxUnfinishedEach] of them are of the same requester.
var ErrTooManyOfOne = fmt.Errorf("%d of these rebuilds and re-zones wait or run, and there may be no more of one requester: "+
	"wait until some have ended, or cancel them", MaxUnfinishedEach)

// requestLock is the key of the advisory lock with which requests take turns, so that they
// count exactly.
const requestLock int64 = 0x6c6c_7265_7175_6573 // "llreques"

// insertBounded inserts a job, unless there are too many then. A job that there was already
// is returned in any case.
func (j *Jobs) insertBounded(ctx context.Context, args Args) (inserted *rivertype.JobInsertResult, err error) {
	metadata, err := args.metadata()
	if err != nil {
		return nil, err
	}
	if err := j.requesting.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer j.requesting.Release(1)
	err = pgx.BeginTxFunc(ctx, j.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, requestLock); err != nil {
			return err
		}
		inserted, err = j.client.InsertTx(ctx, tx, args, &river.InsertOpts{Metadata: metadata})
		if err != nil || inserted.UniqueSkippedAsDuplicate {
			return err
		}
		return j.checkBound(ctx, tx, args)
	})
	return inserted, err
}

// checkBound fails with [ErrTooMany] if more than [MaxUnfinished] jobs of operators, or of
// others, haven't ended, and with [ErrTooManyOfOne] if too many of those are of one requester.
func (j *Jobs) checkBound(ctx context.Context, tx pgx.Tx, args Args) error {
	query := `
		SELECT count(*) > @most, count(*) FILTER (WHERE requester = @requester) > @each FROM (
		    SELECT metadata ->> 'requester' AS requester FROM ` + j.table() + `
		    WHERE kind = @kind AND state IN (` + waitingSQL + `, 'running') AND queue <> @routine
		      AND (@tag = ANY(tags)) = @operators
		    LIMIT @most + 1
		) AS unfinished`
	var tooMany, tooManyOfOne bool
	err := tx.QueryRow(ctx, query, pgx.NamedArgs{
		"most": MaxUnfinished, "kind": Args{}.Kind(), "routine": routineQueue, "tag": operatorTag, "operators": args.Operator,
		"each": MaxUnfinishedEach, "requester": args.Requester,
	}).Scan(&tooMany, &tooManyOfOne)
	if err != nil {
		return fmt.Errorf("counting rebuilds: %w", err)
	}
	switch {
	case tooMany:
		return ErrTooMany
	case tooManyOfOne:
		return ErrTooManyOfOne
	default:
		return nil
	}
}
