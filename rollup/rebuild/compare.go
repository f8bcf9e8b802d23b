package rebuild

import (
	"context"
	"fmt"
	"maps"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/rollup"
)

// truthSQL counts the true sums of some users. It reads their logs and their sealed days
// once, for the days, and counts weeks and months from those days. The days are those of
// [rollup.TruthSQL]; but that takes longer, and most days have either logs or a sealed day.
func (r userRange) truthSQL() string {
	return `
	WITH daily AS MATERIALIZED (
	    SELECT user_id, day,
	           coalesce(logs.words, 0) + coalesce(sealed.words, 0) AS words,
	           coalesce(logs.entries, 0) + coalesce(sealed.entries, 0) AS entries,
	           coalesce(logs.entries, 0) + CASE WHEN sealed.entries IS NULL THEN 0 ELSE 1 END AS read
	    FROM (
	        SELECT user_id, ` + rollup.DateSQL + ` AS day, sum(words) AS words, sum(entries) AS entries
	        FROM ` + rollup.LogsSQL("learning_log") + ` AS logs
	        WHERE ` + r.usersSQL() + ` AND "timestamp" >= @logs_lower AND "timestamp" < @logs_upper
	        GROUP BY 1, 2
	    ) AS logs
	    FULL JOIN (
	        SELECT user_id, ` + rollup.DateSQL + ` AS day, words, entries
	        FROM ` + rollup.SealedSQL + ` AS sealed
	        WHERE ` + r.usersSQL() + ` AND "timestamp" >= @logs_lower AND "timestamp" < @logs_upper
	    ) AS sealed USING (user_id, day)
	), weekly AS MATERIALIZED (
	    SELECT user_id, day - (day - DATE '0001-01-01' + 7000) % 7 AS week, -- that was a Monday
	           sum(words)::bigint AS words, sum(entries)::bigint AS entries
	    FROM daily GROUP BY 1, 2
	), monthly AS MATERIALIZED (
	    SELECT user_id, date_trunc('month', day::timestamp)::date AS month,
	           sum(words)::bigint AS words, sum(entries)::bigint AS entries, sum(read) AS read
	    FROM daily GROUP BY 1, 2
	), truth (user_id, granularity, period, words, entries) AS (
	    SELECT user_id, 'day'::learning_log_granularity, day, words, entries
	    FROM daily WHERE day >= @day_first AND day < @day_end
	    UNION ALL
	    SELECT user_id, 'week', week, words, entries
	    FROM weekly WHERE week >= @week_first AND week < @week_end
	    UNION ALL
	    SELECT user_id, 'month', month, words, entries
	    FROM monthly WHERE month >= @month_first AND month < @month_end
	), rollup AS (
	    SELECT user_id, granularity, period, total_word_count AS words, entry_count AS entries
	    FROM learning_log_aggregates
	    WHERE ` + r.usersSQL() + ` AND ` + inWindowSQL("granularity", "period") + `
	)`
}

// inWindowSQL is a condition for the periods of the window, for each granularity.
func inWindowSQL(granularity, period string) string {
	return `CASE
	    WHEN ` + granularity + ` = 'day' THEN ` + period + ` >= @day_first AND ` + period + ` < @day_end
	    WHEN ` + granularity + ` = 'week' THEN ` + period + ` >= @week_first AND ` + period + ` < @week_end
	    ELSE ` + period + ` >= @month_first AND ` + period + ` < @month_end END`
}

func (r userRange) usersSQL() string {
	if r.users != nil {
		return `user_id = ANY(@users)`
	}
	return `user_id BETWEEN @first AND @last`
}

// groupedSQL follows truthSQL, and lists the rows where the truth and the rollup differ. NULL
// stands for a missing row. So a row of zero sums differs from a missing row, and is found and
// swept. A group has at most one row of each side, so max returns that row's value.
const groupedSQL = `, differing AS (
	    SELECT user_id, granularity, period, max(was_words) AS was_words, max(was_entries) AS was_entries,
	           max(is_words) AS is_words, max(is_entries) AS is_entries
	    FROM (
	        SELECT user_id, granularity, period, words AS is_words, entries AS is_entries,
	               NULL::bigint AS was_words, NULL::bigint AS was_entries
	        FROM truth
	        UNION ALL
	        SELECT user_id, granularity, period, NULL, NULL, words, entries FROM rollup
	    ) AS both_sides
	    GROUP BY user_id, granularity, period
	    HAVING max(is_words) IS DISTINCT FROM max(was_words) OR max(is_entries) IS DISTINCT FROM max(was_entries)
	)` + driftSQL

// driftSQL lists the differing rows, with zeros for missing rows.
const driftSQL = `, drift AS (
	    SELECT user_id, granularity, period,
	           coalesce(was_words, 0) AS was_words, coalesce(was_entries, 0) AS was_entries,
	           coalesce(is_words, 0) AS is_words, coalesce(is_entries, 0) AS is_entries
	    FROM differing
	)`

// findingsSQL ends the statement. It returns a row per drift, or a single row without
// drift if there is none. A log is counted only in the user range that has its
// month. A sealed day counts as a log, because it takes as long to read.
const findingsSQL = `
	SELECT read.users, read.logs,
	       user_id, granularity::text, period, was_words, was_entries, is_words, is_entries
	FROM (
	    SELECT count(DISTINCT user_id) AS users, coalesce(sum(read), 0)::bigint AS logs
	    FROM monthly WHERE month >= @month_first AND month < @month_end
	) AS read
	LEFT JOIN drift ON true`

// repairSQL follows groupedSQL and adds the differences. Sums whose difference might not fit
// into a bigint can only come from corruption, and then the row certainly exists: it is
// updated with a numeric.
func repairSQL() string {
	return `, differing_sums AS (
	    SELECT *, greatest(is_words, is_entries, was_words, was_entries) < 1::bigint << 61
	              AND least(is_words, is_entries, was_words, was_entries) > -1::bigint << 61 AS fit
	    FROM drift
	    WHERE (is_words, is_entries) <> (was_words, was_entries)
	), repaired_extremes AS (
	    UPDATE learning_log_aggregates AS a SET
	        total_word_count = a.total_word_count + (is_words::numeric - was_words),
	        entry_count = a.entry_count + (is_entries::numeric - was_entries)
	    FROM differing_sums AS d
	    WHERE NOT fit AND (a.user_id, a.granularity, a.period) = (d.user_id, d.granularity, d.period)
	), repaired AS (` + rollup.AddSQL(`(
	    SELECT user_id, granularity, period, is_words - was_words AS words, is_entries - was_entries AS entries
	    FROM differing_sums WHERE fit
	)`) + `
	)`
}

// sweepSQL returns the statement that deletes rows without logs, which mean the same as
// no row. It skips rows that a writer has locked, so it never waits. It names the users
// twice, because Citus looks for the shard of what is deleted, too.
func (r userRange) sweepSQL() string {
	return `
	DELETE FROM learning_log_aggregates
	WHERE ` + r.usersSQL() + ` AND (user_id, granularity, period) IN (
	    SELECT user_id, granularity, period
	    FROM learning_log_aggregates
	    WHERE ` + r.usersSQL() + ` AND total_word_count = 0 AND entry_count = 0
	    FOR UPDATE SKIP LOCKED
	)`
}

func (r userRange) arguments(scope Scope) pgx.NamedArgs {
	arguments := pgx.NamedArgs{"first": r.first, "last": r.last, "users": r.users}
	for _, granularity := range rollup.Granularities() {
		periods, name := scope.periods(granularity).within(r.window), string(granularity)
		arguments[name+"_first"], arguments[name+"_end"] = periods.bounds()
	}
	arguments["logs_lower"], arguments["logs_upper"] = scope.days(r.window).instants()
	return arguments
}

// compared is the result of comparing a user range.
type compared struct {
	users, logs int64
	// drifted and examples are as in a [Chunk]. The drifted rows themselves are not
	// kept, since there may be hundreds of thousands.
	drifted  DriftedRows
	examples []Drift
	// wrong has the users who have a drifted row or an empty row to sweep: true if one
	// has drifted. empty says that there is an empty row, or will be one after the
	// repair.
	wrong map[uuid.UUID]bool
	empty bool
}

// compare runs a statement that begins with truthSQL and ends with findingsSQL.
func compare(ctx context.Context, tx pgx.Tx, query string, arguments pgx.NamedArgs) (compared, error) {
	found := compared{wrong: make(map[uuid.UUID]bool)}
	rows, err := tx.Query(ctx, query, arguments)
	if err != nil {
		return compared{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	var (
		userID      pgtype.UUID
		granularity pgtype.Text
		period      pgtype.Date
		was, is     struct{ words, entries pgtype.Int8 }
	)
	columns := []any{
		&found.users, &found.logs,
		&userID, &granularity, &period,
		&was.words, &was.entries, &is.words, &is.entries,
	}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		if !userID.Valid {
			return nil
		}
		found.add(Drift{
			UserID:      userID.Bytes,
			Granularity: rollup.Granularity(granularity.String),
			Period:      rollup.DateOf(period.Time),
			Was:         rollup.Sums{TotalWordCount: was.words.Int64, EntryCount: was.entries.Int64},
			Is:          rollup.Sums{TotalWordCount: is.words.Int64, EntryCount: is.entries.Int64},
		})
		return nil
	})
	if err != nil {
		return compared{}, fmt.Errorf("comparing rollups with logs: %w", err)
	}
	return found, nil
}

// add adds a row that differs.
func (c *compared) add(drift Drift) {
	c.wrong[drift.UserID] = c.wrong[drift.UserID] || drift.Was != drift.Is
	c.empty = c.empty || drift.Is == rollup.Sums{}
	if drift.Was != drift.Is {
		c.drifted.count(drift.Granularity)
		c.examples = withExample(c.examples, drift)
	}
}

// wrongUsers returns a user range of only the users who have something to repair.
func (r userRange) wrongUsers(found compared) userRange {
	r.users = make([]uuid.UUID, 0, len(found.wrong))
	for user := range maps.Keys(found.wrong) {
		r.users = append(r.users, user)
	}
	return r
}
