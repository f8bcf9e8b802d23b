package rebuild

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/sharding"
)

// layout is what differs between tables at one server and tables that are distributed over
// several: everything that isn't about a single user.
type layout interface {
	// prepare sets how the statements of a chunk are planned and run, until the
	// transaction ends.
	prepare(ctx context.Context, tx pgx.Tx) error
	// findCutPoint finds the user with whom a range at the beginning of a part exceeds the
	// limit. It may shorten the range, and remembers in the part what helps next time.
	findCutPoint(ctx context.Context, tx pgx.Tx, part *Part, of userRange, maxLogs int) (userRange, cutPoint, error)
	// settle waits for transactions that have ended, but whose changes can't be seen yet.
	settle(ctx context.Context, tx pgx.Tx) error
	// divide divides users among the statements that sweep, which can't be of all of them.
	divide(users iter.Seq[uuid.UUID]) [][]uuid.UUID
	// rezone gives the logs of a range the offsets of a zone, and moves their sums: see
	// [RezoneChunk]. It returns how many logs have another offset now.
	rezone(ctx context.Context, tx pgx.Tx, of userRange, zone *time.Location, arguments pgx.NamedArgs) (rezoned int64, err error)
	// seal purges the logs of a range that are old enough: see [PurgeChunk]. Of those that
	// were voided it purges at most so many. It returns how many it deleted.
	seal(ctx context.Context, tx pgx.Tx, of userRange, most int64, arguments pgx.NamedArgs) (purged, voided int64, err error)
	// oldestWriter returns for how many seconds the oldest transaction of others is open that
	// writes logs, what is made from them, settings, or share links: 0 if there is none, and
	// infinitely many if it is prepared.
	oldestWriter(ctx context.Context, tx pgx.Tx) (seconds float64, err error)
	// expectedLogs estimates how many logs a scope has: see [Scope.expectedLogs].
	expectedLogs(ctx context.Context, tx pgx.Tx, of Scope, rezoned bool) (int64, error)
	// sizeSQL is an expression for the number of bytes of the logs.
	sizeSQL() string
}

// layoutOf returns the layout of the tables, which stays until the transaction ends. It is
// asked for each chunk, so that a rebuild never takes distributed tables for others, whenever
// they were distributed.
func layoutOf(ctx context.Context, tx pgx.Tx) (layout, error) {
	if err := sharding.Hold(ctx, tx); err != nil {
		return nil, err
	}
	shards, err := sharding.Read(ctx, tx)
	switch {
	case err != nil:
		return nil, err
	case shards != nil:
		return distributed{shards}, nil
	default:
		return atOneServer{}, nil
	}
}

// prepare prepares the transaction of a chunk.
func prepare(ctx context.Context, tx pgx.Tx) (layout, error) {
	tables, err := layoutOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	return tables, tables.prepare(ctx, tx)
}

// atOneServer is the layout of tables that aren't distributed.
type atOneServer struct{}

// A chunk is bounded, so PostgreSQL can add up its logs and sort it in memory. JIT is off because
// compiling the statement takes longer than running it.
const (
	memoryOfChunk = "128MB"
	plannerSQL    = `SELECT set_config('work_mem', '` + memoryOfChunk + `', true), set_config('jit', 'off', true)`
)

func (atOneServer) prepare(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, plannerSQL)
	return err
}

func (atOneServer) findCutPoint(
	ctx context.Context, tx pgx.Tx, _ *Part, of userRange, maxLogs int,
) (userRange, cutPoint, error) {
	found, err := of.findCutPoint(ctx, tx, maxLogs)
	return of, found, err
}

func (atOneServer) settle(context.Context, pgx.Tx) error { return nil }

func (atOneServer) divide(users iter.Seq[uuid.UUID]) [][]uuid.UUID {
	return [][]uuid.UUID{slices.Collect(users)}
}

func (atOneServer) rezone(
	ctx context.Context, tx pgx.Tx, of userRange, _ *time.Location, arguments pgx.NamedArgs,
) (rezoned int64, err error) {
	if err := tx.QueryRow(ctx, of.rezoneSQL(), arguments).Scan(&rezoned); err != nil || rezoned == 0 {
		return 0, err
	}
	return rezoned, sweep(ctx, tx, of, arguments)
}

func sweep(ctx context.Context, tx pgx.Tx, of userRange, arguments pgx.NamedArgs) error {
	if _, err := tx.Exec(ctx, of.sweepSQL(), arguments); err != nil {
		return fmt.Errorf("sweeping empty rows: %w", err)
	}
	return nil
}

// oldestWriterSQL is what [layout] says of oldestWriter, of one node. Statements that come
// from another node have locks of shards alone. Shards are named like their tables, with
// a number.
const oldestWriterSQL = `
	SELECT coalesce(max(coalesce(extract(epoch FROM now() - holder.xact_start), 'Infinity')), 0)::float8
	FROM pg_locks AS held LEFT JOIN pg_stat_activity AS holder USING (pid)
	WHERE held.locktype = 'relation' AND held.mode = 'RowExclusiveLock' AND held.pid IS DISTINCT FROM pg_backend_pid()
	  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
	  AND held.relation IN (SELECT oid FROM pg_class WHERE relname ~ '^(learning_log(_aggregates|_sealed_days|_settings)?(_[0-9]+)?|learninglog_share_links)$')`

func (atOneServer) oldestWriter(ctx context.Context, tx pgx.Tx) (seconds float64, err error) {
	err = tx.QueryRow(ctx, oldestWriterSQL).Scan(&seconds)
	return seconds, err
}

func (atOneServer) sizeSQL() string { return `pg_relation_size('learning_log')` }
