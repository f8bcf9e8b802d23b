package rebuild

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/internal/sharding"
	"learninglog/rollup"
)

// distributed is the layout of tables that are distributed by user. A user's logs and
// rollups are at the same node, so one statement there sees both of them in one snapshot,
// if Citus passes it on whole. So logs, sealed days and rollups appear once in it, without a
// step before, and it is grouped by user. The statements that write are of users of one
// shard.
type distributed struct{ shards *sharding.Shards }

func (distributed) prepare(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SET LOCAL citus.propagate_set_commands TO 'local';
		SET LOCAL work_mem TO '`+memoryOfChunk+`'; SET LOCAL jit TO off`)
	return err
}

// differingSQL finds the rows of a range that differ, as groupedSQL does.
func (r userRange) differingSQL() string {
	period := rollup.PeriodSQL("g.granularity")
	var sides strings.Builder
	for _, truth := range rollup.TruthSQLs() {
		sides.WriteString(`
	    SELECT user_id, g.granularity::learning_log_granularity AS granularity, ` + period + ` AS period,
	           words AS is_words, entries AS is_entries, NULL::bigint AS was_words, NULL::bigint AS was_entries
	    FROM ` + truth + ` AS truth
	    CROSS JOIN (VALUES ('day'), ('week'), ('month')) AS g (granularity)
	    WHERE ` + r.usersSQL() + ` AND "timestamp" >= @logs_lower AND "timestamp" < @logs_upper
	      AND ` + inWindowSQL("g.granularity", period) + `
	    UNION ALL`)
	}
	return `
	SELECT user_id, granularity, period,
	       coalesce(max(was_words), 0) AS was_words, coalesce(max(was_entries), 0) AS was_entries,
	       coalesce(sum(is_words), 0)::bigint AS is_words, coalesce(sum(is_entries), 0)::bigint AS is_entries
	FROM (` + sides.String() + `
	    SELECT user_id, granularity, period, NULL, NULL, total_word_count, entry_count
	    FROM learning_log_aggregates
	    WHERE ` + r.usersSQL() + ` AND ` + inWindowSQL("granularity", "period") + `
	) AS both_sides
	GROUP BY user_id, granularity, period
	HAVING sum(is_words) IS DISTINCT FROM max(was_words) OR sum(is_entries) IS DISTINCT FROM max(was_entries)`
}

func (d distributed) compare(ctx context.Context, tx pgx.Tx, of userRange, scope Scope) (compared, error) {
	arguments := of.arguments(scope)
	found, err := d.differing(ctx, tx, of, arguments)
	if err != nil {
		return compared{}, err
	}
	// A log is counted only in the user range that has its month.
	err = tx.QueryRow(ctx, `
		SELECT count(*), coalesce(sum(logs), 0)::bigint
		FROM (
		    SELECT user_id, count(*) AS logs
		    FROM `+rollup.TruthSQL()+` AS truth
		    WHERE `+of.usersSQL()+` AND "timestamp" >= @logs_lower AND "timestamp" < @logs_upper
		      AND `+rollup.PeriodSQL("'month'")+` >= @month_first AND `+rollup.PeriodSQL("'month'")+` < @month_end
		    GROUP BY user_id
		) AS read`, arguments).Scan(&found.users, &found.logs)
	if err != nil {
		return compared{}, fmt.Errorf("counting what was compared: %w", err)
	}
	return found, nil
}

func (distributed) differing(ctx context.Context, tx pgx.Tx, of userRange, arguments pgx.NamedArgs) (compared, error) {
	found := compared{wrong: make(map[uuid.UUID]bool)}
	rows, err := tx.Query(ctx, `SELECT user_id, granularity::text, period, was_words, was_entries, is_words, is_entries
		FROM (`+of.differingSQL()+`) AS differing`, arguments)
	if err != nil {
		return compared{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	var drift Drift
	var period pgtype.Date
	columns := []any{
		&drift.UserID, &drift.Granularity, &period, &drift.Was.TotalWordCount, &drift.Was.EntryCount,
		&drift.Is.TotalWordCount, &drift.Is.EntryCount,
	}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		drift.Period = rollup.DateOf(period.Time)
		found.add(drift)
		return nil
	})
	if err != nil {
		return compared{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	return found, nil
}

// repair works shard by shard. What it reports is of a moment before what it repairs.
func (d distributed) repair(ctx context.Context, tx pgx.Tx, of userRange, scope Scope) (compared, error) {
	found, err := d.compare(ctx, tx, of, scope)
	if err != nil || len(found.wrong) == 0 {
		return found, err
	}
	if err := settlePrepared(ctx, tx); err != nil {
		return compared{}, err
	}
	if found, err = d.compare(ctx, tx, of, scope); err != nil {
		return compared{}, err
	}
	for _, of.users = range d.shards.Divide(maps.Keys(found.wrong)) {
		arguments := of.arguments(scope)
		for _, statement := range of.repairSQLs() {
			if _, err := tx.Exec(ctx, statement, arguments); err != nil {
				return compared{}, fmt.Errorf("repairing rollups: %w", err)
			}
		}
		if found.empty {
			if err := sweep(ctx, tx, of, arguments); err != nil {
				return compared{}, err
			}
		}
	}
	return found, nil
}

// errUnsettled means that somebody's transaction has ended for the coordinator, but not at
// every node. Another look in a moment may find it settled.
var errUnsettled = errors.New("a transaction of several nodes isn't settled at one of them, or a node doesn't answer")

// settlePrepared makes Citus settle the transactions of several nodes that a crash has left
// prepared, and fails if some are left after some seconds. Their changes can't be seen yet, so
// a repair would make those again that an earlier one has made. Most are left only for a
// moment, and a job has no attempts to waste on these.
func settlePrepared(ctx context.Context, tx pgx.Tx) error {
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

// repairSQLs returns the statements that add the differences: first those that don't fit
// into a bigint, as in [repairSQL], and then the others.
func (r userRange) repairSQLs() []string {
	differences := func(fit string) string {
		return `(
		    SELECT user_id, granularity, period,
		           is_words::numeric - was_words AS words, is_entries::numeric - was_entries AS entries
		    FROM (` + r.differingSQL() + `) AS differing
		    WHERE (is_words, is_entries) <> (was_words, was_entries)
		      AND ` + fit + ` greatest(abs(is_words::numeric - was_words), abs(is_entries::numeric - was_entries)) < 2^62
		)`
	}
	return []string{
		`UPDATE learning_log_aggregates AS a SET
		    total_word_count = a.total_word_count + words, entry_count = a.entry_count + entries
		FROM ` + differences("NOT") + ` AS d
		WHERE a.` + r.usersSQL() + ` AND (a.user_id, a.granularity, a.period) = (d.user_id, d.granularity, d.period)`,
		rollup.AddSQL(`(
		    SELECT user_id, granularity, period, words::bigint AS words, entries::bigint AS entries
		    FROM ` + differences("") + ` AS differences
		)`),
	}
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
