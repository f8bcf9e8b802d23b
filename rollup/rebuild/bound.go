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

// ErrTooMany means that [MaxUnfinished] rebuilds and re-zones wait or run.
var ErrTooMany = fmt.Errorf("%d rebuilds and re-zones wait or run, and there may be no more: "+
	"wait until some have ended, or cancel those that wait", MaxUnfinished)

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
		return j.checkBound(ctx, tx, args.Operator)
	})
	return inserted, err
}

// checkBound fails with [ErrTooMany] if more than [MaxUnfinished] jobs of operators, or of
// others, haven't ended.
func (j *Jobs) checkBound(ctx context.Context, tx pgx.Tx, operators bool) error {
	query := `
		SELECT count(*) > @most FROM (
		    SELECT FROM ` + j.table() + `
		    WHERE kind = @kind AND state IN (` + waitingSQL + `, 'running') AND queue <> @routine
		      AND (@tag = ANY(tags)) = @operators
		    LIMIT @most + 1
		) AS unfinished`
	var tooMany bool
	err := tx.QueryRow(ctx, query, pgx.NamedArgs{
		"most": MaxUnfinished, "kind": Args{}.Kind(), "routine": routineQueue, "tag": operatorTag, "operators": operators,
	}).Scan(&tooMany)
	if err != nil {
		return fmt.Errorf("counting rebuilds: %w", err)
	}
	if tooMany {
		return ErrTooMany
	}
	return nil
}
