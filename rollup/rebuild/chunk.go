package rebuild

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Chunk is what a rebuild looked at and repaired in one transaction.
type Chunk struct {
	// Users and Logs count the truth that was read. A user whose periods are in
	// several chunks is counted in the first of them.
	Users, Logs int64
	// Walked is about how many logs were gone through. That is many more than Logs
	// where the scope is a range of time, which the index leaves out only user by
	// user, or where rows of the rollup have no logs.
	Walked int64
	// Drifted counts the rows that were wrong, and Examples has those that were
	// furthest from the truth, the worst first, at most [MaxExamples].
	Drifted  DriftedRows
	Examples []Drift
	// Rest is what is left of the part, or nil.
	Rest *Part
}

// ChunkOptions says how a chunk is rebuilt.
type ChunkOptions struct {
	// MaxLogs bounds the logs and the rows of one chunk. Only a calendar month of
	// one user may exceed it, with the ends of the weeks that begin in it.
	MaxLogs int
	// DryRun finds drift and leaves it.
	DryRun bool
	// Zone is the zone of the periods.
	Zone *time.Location
}

// WorkChunk looks for drift in the first chunk of a part of scope, and repairs it. To
// rebuild the whole of a scope, start with [Whole], commit, and go on with the Rest
// until there is none.
//
// Nobody is locked out and nothing is counted twice: one statement, hence one
// snapshot, takes the rollup from the truth and adds the difference. Whatever a
// writer commits before the snapshot is in both and cancels out; whatever it
// commits after is in neither, and adds itself. Rows that are right are not
// touched.
//
// Only two rebuilds could add the same difference twice, so they take turns:
// where there is drift, a lock that only they take is held from then until tx
// ends. tx must be READ COMMITTED, as the snapshot of the repair has to be
// younger than that lock.
func WorkChunk(ctx context.Context, tx pgx.Tx, scope Scope, part Part, options ChunkOptions) (Chunk, error) {
	if _, err := tx.Exec(ctx, plannerSQL); err != nil {
		return Chunk{}, fmt.Errorf("preparing a chunk: %w", err)
	}
	options.MaxLogs = part.maxLogs(options.MaxLogs)
	users, rest, err := scope.cut(ctx, tx, part, options)
	if err != nil {
		return Chunk{}, fmt.Errorf("finding the logs of a chunk: %w", err)
	}
	found, err := compare(ctx, tx, users.truthSQL()+joinedSQL+summarySQL, users.arguments(scope, options.Zone))
	if err != nil {
		return Chunk{}, err
	}
	if rest != nil {
		rest.Sample = part.Sample.before(*rest, found.logs)
	}
	chunk := Chunk{Users: found.users, Logs: found.logs, Walked: walked(found, users), Drifted: found.drifted, Examples: found.examples, Rest: rest}
	if part.At != nil {
		chunk.Users = 0
	}
	if len(found.wrong) == 0 || options.DryRun {
		return chunk, nil
	}
	repaired, err := repair(ctx, tx, scope, users.wrongUsers(found), options.Zone)
	chunk.Drifted, chunk.Examples = repaired.drifted, repaired.examples
	return chunk, err
}

// walked is what was read, unless that is little of what was passed to find it:
// what is left of a chunk that the next user didn't fit into is about as much.
func walked(found compared, users userRange) int64 {
	if 2*found.logs < users.passed {
		return users.passed
	}
	return found.logs
}

// plannerSQL holds until the transaction ends. A chunk is bounded, so it may be
// compared in memory; and compiling its statement takes longer than running it.
const plannerSQL = `SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)`

// rebuildLock is the key of the advisory lock that rebuilds take turns with.
const rebuildLock int64 = 0x6c6c_7265_6275_696c // "llrebuil"

// repair looks again at users of whom something was found to be wrong, after
// another rebuild that may have put it right, and adds what is missing.
func repair(ctx context.Context, tx pgx.Tx, scope Scope, wrong userRange, zone *time.Location) (compared, error) {
	// In a statement of its own, before the repair: inside it, the lock would
	// come after the snapshot, and two rebuilds would both apply.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, rebuildLock); err != nil {
		return compared{}, fmt.Errorf("waiting for another rebuild's chunk: %w", err)
	}
	arguments := wrong.arguments(scope, zone)
	found, err := compare(ctx, tx, wrong.truthSQL()+groupedSQL+repairSQL()+summarySQL, arguments)
	if err != nil {
		return compared{}, err
	}
	if found.empty {
		if _, err := tx.Exec(ctx, sweepSQL, arguments); err != nil {
			return compared{}, fmt.Errorf("sweeping empty rows: %w", err)
		}
	}
	return found, nil
}
