package rebuild

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/internal/sharding"
	"learninglog/rollup"
)

// distributed is the layout of tables that are distributed by user. A user's logs and
// rollups are at the same node, so one statement there sees both of them in one snapshot,
// if Citus passes it on whole: see [userRange.sidesSQL]. Statements that lock what they read are
// of users of one shard.
type distributed struct{ shards *sharding.Shards }

func (distributed) prepare(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL citus.propagate_set_commands TO 'local';
		SET LOCAL work_mem TO '`+memoryOfChunk+`'; SET LOCAL jit TO off`)
	return err
}

func (d distributed) divide(users iter.Seq[uuid.UUID]) [][]uuid.UUID { return d.shards.Divide(users) }

// errUnsettled means that somebody's transaction has ended for the coordinator, but not at
// every node. Another look in a moment may find it settled.
var errUnsettled = errors.New("a transaction of several nodes isn't settled at one of them, or a node doesn't answer")

// settle makes Citus settle the transactions of several nodes that a crash has left
// prepared, and fails if some are left after some seconds. Their changes can't be seen yet, so
// a repair would make those again that an earlier one has made. Most are left only for a
// moment, and a job has no attempts to waste on these.
func (distributed) settle(ctx context.Context, tx pgx.Tx) error {
	const looks, between = 8, 500 * time.Millisecond
	for look := 1; ; look++ {
		err := settlePreparedNow(ctx, tx)
		if !errors.Is(err, errUnsettled) || look == looks {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(between):
		}
	}
}

func settlePreparedNow(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT recover_prepared_transactions()`); err != nil {
		return fmt.Errorf("settling transactions of several nodes: %w", err)
	}
	var settled bool
	err := tx.QueryRow(ctx, `
		SELECT bool_and(success AND result = '0')
		FROM run_command_on_all_nodes($$
		    SELECT count(*) FROM pg_prepared_xacts WHERE gid LIKE 'citus\_%' AND database = current_database()$$)`).Scan(&settled)
	if err != nil {
		return fmt.Errorf("looking for transactions of several nodes: %w", err)
	}
	if !settled {
		return errUnsettled
	}
	return nil
}

// countedUsers is how many users are counted at once to find a cut point.
const countedUsers = 1000

// findCutPoint counts the logs and the rows of the first users. Every shard counts its
// own, without knowing how many the others have. So the range is shortened to about as
// many users as a chunk has, and widened until it has enough.
func (distributed) findCutPoint(
	ctx context.Context, tx pgx.Tx, part *Part, of userRange, maxLogs int,
) (userRange, cutPoint, error) {
	const first, wider = 1 << 40, 16
	part.width = max(part.width, first)
	for whole := of.last; ; {
		if of.users == nil {
			of.last = atMost(whole, of.first, part.width)
		}
		wanted := of.last
		found, err := of.countTo(ctx, tx, maxLogs)
		switch {
		case err != nil:
			return of, cutPoint{}, err
		case found.Crossing != nil:
			part.width /= 2
			return of, found, nil
		case of.last == whole || of.last != wanted || of.users != nil || 2*found.Passed > int64(maxLogs):
			return of, found, nil
		case part.width > math.MaxUint64/wider:
			part.width = math.MaxUint64
		default:
			part.width *= wider
		}
	}
}

// countTo finds the cut point of a range. If there are many users, it counts only the
// first ones, and shortens the range to these.
func (r *userRange) countTo(ctx context.Context, tx pgx.Tx, maxLogs int) (cutPoint, error) {
	counts := make(map[uuid.UUID]*[2]int64)
	for i, relation := range []string{rollup.TruthSQL(), "learning_log_aggregates"} {
		last, err := r.countUsers(ctx, tx, relation, func(user uuid.UUID, count int64) {
			if counts[user] == nil {
				counts[user] = new([2]int64)
			}
			counts[user][i] = count
		})
		if err != nil {
			return cutPoint{}, err
		}
		if last != nil && compareIDs(*last, r.last) < 0 {
			r.last = *last
		}
	}
	return cutAt(counts, r.last, maxLogs), nil
}

// countUsers counts the rows of the first users in a range, in key order. If there are
// more, it returns the last that it has counted.
func (r userRange) countUsers(
	ctx context.Context, tx pgx.Tx, relation string, note func(user uuid.UUID, count int64),
) (last *uuid.UUID, err error) {
	rows, err := tx.Query(ctx, `
		SELECT user_id, count(*) FROM `+relation+` AS r WHERE `+r.usersSQL()+`
		GROUP BY user_id ORDER BY user_id LIMIT @limit`,
		pgx.NamedArgs{"first": r.first, "last": r.last, "users": r.users, "limit": countedUsers})
	if err != nil {
		return nil, err
	}
	var user uuid.UUID
	var count int64
	counted := 0
	_, err = pgx.ForEachRow(rows, []any{&user, &count}, func() error {
		note(user, count)
		counted++
		return nil
	})
	if counted < countedUsers || r.users != nil {
		return nil, err
	}
	return &user, err
}

// cutAt returns where users with so many logs and rows must be cut. Those after last aren't
// counted completely.
func cutAt(counts map[uuid.UUID]*[2]int64, last uuid.UUID, maxLogs int) (found cutPoint) {
	var logs, rows int64
	for _, user := range slices.SortedFunc(maps.Keys(counts), compareIDs) {
		if compareIDs(user, last) > 0 {
			break
		}
		if found.First == nil {
			found.First = &user
		}
		logs, rows = logs+counts[user][0], rows+counts[user][1]
		if logs > int64(maxLogs) || rows > rowsPerLog*int64(maxLogs) {
			found.Crossing, found.Passed = &user, int64(maxLogs)
			return found
		}
	}
	found.Passed = max(logs, rows/rowsPerLog)
	return found
}

// atMost returns the user that is so far after first, or last if that one comes earlier.
// The distance is that of the first eight bytes.
func atMost(last, first uuid.UUID, distance uint64) uuid.UUID {
	begin := binary.BigEndian.Uint64(first[:])
	if begin+distance < begin {
		return last
	}
	end := uuid.Max
	binary.BigEndian.PutUint64(end[:], begin+distance) // and whatever follows
	if compareIDs(end, last) > 0 {
		return last
	}
	return end
}

// oldestWriter asks all nodes, because services write at them without the coordinator. A node
// that doesn't answer may have a transaction that goes on.
func (distributed) oldestWriter(ctx context.Context, tx pgx.Tx) (seconds float64, err error) {
	err = tx.QueryRow(ctx, `
		SELECT max(CASE WHEN success THEN result::float8 ELSE 'Infinity' END) FROM run_command_on_all_nodes($1)`,
		oldestWriterSQL).Scan(&seconds)
	return seconds, err
}

func (distributed) sizeSQL() string { return `citus_relation_size('learning_log')` }

// expectedLogs knows only how many logs there are, because Citus estimates nothing.
func (distributed) expectedLogs(ctx context.Context, tx pgx.Tx, of Scope, _ bool) (expected int64, err error) {
	if !of.IsEverything() {
		return 0, nil
	}
	err = tx.QueryRow(ctx, `
		SELECT coalesce(sum(greatest(0, result::float8)), 0)::bigint
		FROM unnest(ARRAY['learning_log', 'learning_log_sealed_days']::regclass[]) AS one,
		     run_command_on_shards(one, $$SELECT reltuples FROM pg_class WHERE oid = '%s'::regclass$$)
		WHERE success`).Scan(&expected)
	if err != nil {
		return 0, fmt.Errorf("estimating the logs of the rebuild: %w", err)
	}
	return expected, nil
}
