package rebuild

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"learninglog/internal/sharding"
	"learninglog/rollup"
)

// Chunk is the result of one transaction of a rebuild.
type Chunk struct {
	// Users and Logs count the users and the logs that were compared. A user whose
	// periods are in several chunks is counted in the first of them. A sealed day counts
	// as a log.
	Users, Logs int64
	// Walked is about how many logs were read. It is much larger than Logs in two
	// cases: the scope is a range of time, because the index can exclude logs only
	// user by user; or rows of the rollup have no logs. Logs that are purged are charged
	// as more: see [purgeCost].
	Walked int64
	// Drifted counts the drifted rows. Examples has those that are furthest from the
	// truth, the worst first, at most [MaxExamples].
	Drifted  DriftedRows
	Examples []Drift
	// Rezoned counts the logs that have another offset now.
	Rezoned int64
	// Wait is how long the next chunk has to wait, because there is nothing to do until then.
	Wait time.Duration
	// Purged counts the logs that were deleted, or would be.
	Purged int64
	// Rest is what is left of the part, or nil if nothing is.
	Rest *Part
}

// ChunkOptions configures [WorkChunk], [RezoneChunk] and [PurgeChunk].
type ChunkOptions struct {
	// MaxLogs limits the logs and the rows of one chunk. Only a calendar month of
	// one user may exceed it, together with the ends of the weeks that begin in it; of a
	// re-zone, only a day of one user.
	MaxLogs int
	// DryRun reports drift without repairing it, and counts logs without deleting them. A
	// re-zone can't be dry.
	DryRun bool

	// cutAt is the granularity at whose periods a user is cut who alone exceeds MaxLogs.
	cutAt rollup.Granularity
}

// WorkChunk looks for drift in the first chunk of a part of scope, and repairs it.
// To rebuild a whole scope, start with [Whole], commit, and continue with the Rest
// until it is nil.
//
// Nobody is locked out and nothing is counted twice. One statement, and therefore
// one snapshot, reads the logs and the rollup; what they differ by is added to the
// rollup afterwards. What a writer commits before the snapshot is in both, and cancels
// out. What a writer commits after the snapshot is in neither, and the writer adds
// it itself, before or after the difference. Rows that are right are not touched.
//
// Only two rebuilds could add the same difference twice, so they take turns: before the
// comparison whose differences it adds, WorkChunk takes an advisory lock, and holds it until
// tx ends. Others who take it are erasures, which delete what a repair would make again. tx
// must be READ COMMITTED, because the snapshot must be taken after the lock.
func WorkChunk(ctx context.Context, tx pgx.Tx, scope Scope, part Part, options ChunkOptions) (Chunk, error) {
	tables, err := prepare(ctx, tx)
	if err != nil {
		return Chunk{}, fmt.Errorf("preparing a chunk: %w", err)
	}
	options.MaxLogs, options.cutAt = part.maxLogs(options.MaxLogs), rollup.Month
	users, rest, err := scope.cut(ctx, tx, tables, part, options)
	if err != nil {
		return Chunk{}, fmt.Errorf("finding the logs of a chunk: %w", err)
	}
	found, err := work(ctx, tx, tables, scope, users, options.DryRun)
	if err != nil {
		return Chunk{}, err
	}
	if rest != nil {
		rest.Sample = part.Sample.remaining(*rest, found.logs)
	}
	chunk := Chunk{Users: found.users, Logs: found.logs, Walked: walked(found, users), Drifted: found.drifted, Examples: found.examples, Rest: rest}
	if part.At != nil {
		chunk.Users = 0
	}
	return chunk, nil
}

// work compares a range, and repairs it unless it is a dry run. If everything is missing, there is
// no use in looking before.
func work(ctx context.Context, tx pgx.Tx, tables layout, scope Scope, of userRange, dryRun bool) (compared, error) {
	if of.unsummed && !dryRun {
		return repair(ctx, tx, tables, scope, of)
	}
	found, err := compare(ctx, tx, of, scope, func(Drift) {})
	if err != nil || dryRun || len(found.wrong) == 0 {
		return found, err
	}
	of.users = slices.Collect(maps.Keys(found.wrong))
	repaired, err := repair(ctx, tx, tables, scope, of)
	found.drifted, found.examples = repaired.drifted, repaired.examples
	return found, err
}

// walked returns the number of logs that the chunk is charged for. This is the
// number of logs compared, unless more than twice as many were passed to find them.
// Smaller excesses are normal: a chunk also passes part of the logs of the next
// user, who didn't fit in.
func walked(found compared, users userRange) int64 {
	if 2*found.logs < users.passed {
		return users.passed
	}
	return found.logs
}

// rebuildLock is the key of the advisory lock with which rebuilds take turns.
const rebuildLock int64 = 0x6c6c_7265_6275_696c // "llrebuil"

// repair compares users again, once it has the lock, adds the differences, and sweeps rows
// without logs. Another rebuild may have repaired them before.
func repair(ctx context.Context, tx pgx.Tx, tables layout, scope Scope, of userRange) (compared, error) {
	// The lock needs a statement of its own, before the comparison. Inside it, the lock would be
	// taken after the snapshot, and two rebuilds would both add the same difference.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, rebuildLock); err != nil {
		return compared{}, fmt.Errorf("waiting for another rebuild's chunk: %w", err)
	}
	if err := tables.settle(ctx, tx); err != nil {
		return compared{}, err
	}
	var drifts []Drift // there may be hundreds of thousands
	found, err := compare(ctx, tx, of, scope, func(drift Drift) { drifts = append(drifts, drift) })
	if err != nil {
		return compared{}, err
	}
	if err := correct(ctx, tx, drifts); err != nil {
		return compared{}, fmt.Errorf("repairing rollups: %w", err)
	}
	if !found.empty {
		return found, nil
	}
	for _, of.users = range tables.divide(maps.Keys(found.wrong)) {
		if err := sweep(ctx, tx, of, of.arguments(scope)); err != nil {
			return compared{}, err
		}
	}
	return found, nil
}

// correct adds to rows of the rollup what they differ by, in the order of their key. Meanwhile
// writers may add to them, too. Where the difference doesn't fit into a bigint, as it can
// only by corruption, it is added bit by bit.
func correct(ctx context.Context, tx pgx.Tx, drifts []Drift) error {
	const most = 10_000 // rows of a statement
	for len(drifts) > 0 {
		var left []Drift
		for some := range slices.Chunk(drifts, most) {
			var addends sharding.Addends
			add := addends.AddMissing
			for _, drift := range some {
				if drift.Was != (rollup.Sums{}) {
					add = addends.Add
				}
				difference := drift.Is.MinusWithinBounds(drift.Was)
				addends.Append(sharding.Row{UserID: drift.UserID, Granularity: drift.Granularity, Period: drift.Period}, difference)
				if drift.Was = drift.Was.Plus(difference); drift.Was != drift.Is {
					left = append(left, drift)
				}
			}
			if err := add(ctx, tx); err != nil {
				return err
			}
		}
		drifts = left
	}
	return nil
}
