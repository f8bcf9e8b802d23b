package rebuild

import (
	"maps"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"learninglog/rollup"
)

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
	// drifted and examples are as in a [Chunk], and drifts are all of these rows, in the order
	// of their key.
	drifted  DriftedRows
	examples []Drift
	drifts   []Drift
	// wrong has the users who have a drifted row or an empty row to sweep: true if one
	// has drifted. empty says that there is an empty row, or will be one after the
	// repair.
	wrong map[uuid.UUID]bool
	empty bool
}

// add adds a row that differs.
func (c *compared) add(drift Drift) {
	c.wrong[drift.UserID] = c.wrong[drift.UserID] || drift.Was != drift.Is
	c.empty = c.empty || drift.Is == rollup.Sums{}
	if drift.Was != drift.Is {
		c.drifted.count(drift.Granularity)
		c.examples = withExample(c.examples, drift)
		c.drifts = append(c.drifts, drift)
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
