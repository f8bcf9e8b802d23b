package rebuild

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"learninglog/rollup"
)

// userRange is what one chunk compares: the periods of its users that start in its
// window.
type userRange struct {
	first, last uuid.UUID
	users       []uuid.UUID // if not nil, only these users between first and last
	window      window
	// passed is about how many logs were read to find the range, at least as many as
	// its users have. Rows of the rollup count too, as a fraction of a log each.
	passed int64
	// unsummed says that the rollup had no row of these users, who have logs or sealed days.
	unsummed bool
}

// cut returns the range at the beginning of a part, and what is left of the part, or
// nil. The range has at most MaxLogs logs, as many sealed days, and at most as many rows of
// the rollup as that many logs can have. Only a calendar month of one user is never cut, because
// its sum has to be taken under one snapshot.
func (s Scope) cut(
	ctx context.Context, tx pgx.Tx, tables layout, part Part, options ChunkOptions,
) (userRange, *Part, error) {
	if part.At != nil {
		return s.cutUser(ctx, tx, part, options)
	}
	users, last, err := s.nextUsers(ctx, tx, &part)
	if err != nil {
		return userRange{}, nil, err
	}
	if len(users) > 0 {
		part.From = users[0]
	}
	whole, found, err := tables.findCutPoint(ctx, tx, &part, userRange{first: part.From, last: last, users: users}, options.MaxLogs)
	whole.passed, whole.unsummed = found.Passed, found.Unsummed
	switch {
	case err != nil:
		return userRange{}, nil, err
	case found.Crossing == nil:
		return whole, part.after(whole.last), nil
	case *found.Crossing == *found.First:
		part.From = *found.First
		of, rest, err := s.cutUser(ctx, tx, part, options)
		of.passed = found.Passed
		return of, rest, err
	}
	before := userRange{first: part.From, last: userBefore(*found.Crossing), passed: found.Passed, unsummed: found.Unsummed}
	if users != nil {
		n, _ := slices.BinarySearchFunc(users, *found.Crossing, compareIDs)
		before.users = users[:n]
	}
	return before, part.restFrom(*found.Crossing, nil), nil
}

// rowsPerLog is the largest number of rows of the rollup that one log counts in.
const rowsPerLog = 3

// cutPoint is where a range must be cut.
type cutPoint struct {
	First    *uuid.UUID // the first user who has a log, a sealed day or a row, or nil
	Crossing *uuid.UUID // the user with whom the range exceeds the limit, or nil
	Passed   int64      // as in userRange
	Unsummed bool       // as in userRange; false if it isn't known
}

// findCutPoint finds the user with whom a range exceeds the limit. It reads no
// further than that; there are more rows of the rollup than logs, so they are read last.
func (r userRange) findCutPoint(ctx context.Context, tx pgx.Tx, maxLogs int) (cutPoint, error) {
	logs, sealed, rollups := rollup.LogsSQL("learning_log"), "learning_log_sealed_days", "learning_log_aggregates"
	nth := func(n, relation, last string) string {
		if r.users == nil {
			return `(SELECT user_id FROM ` + relation + ` AS r WHERE user_id BETWEEN @first AND ` + last + `
			         ORDER BY user_id OFFSET ` + n + ` LIMIT 1)`
		}
		// OFFSET 0 makes PostgreSQL go from user to user, and stop early.
		return `(SELECT listed.user_id
		         FROM unnest(@users::uuid[]) AS listed (user_id),
		              LATERAL (SELECT FROM ` + relation + ` AS r WHERE r.user_id = listed.user_id OFFSET 0) AS one
		         WHERE listed.user_id <= ` + last + `
		         OFFSET ` + n + ` LIMIT 1)`
	}
	count := func(relation string) string {
		return `(SELECT count(*) FROM ` + relation + ` AS r WHERE ` + r.usersSQL() + `)`
	}
	query := `
		WITH by_logs AS MATERIALIZED (
		    SELECT least(` + nth("@logs", logs, "@last") + `, ` + nth("@logs", sealed, "@last") + `) AS crossing
		), found AS MATERIALIZED (
		    SELECT least(` + nth("0", logs, "@last") + `, ` + nth("0", sealed, "@last") + `, first_row) AS first, first_row,
		           least(crossing, ` + nth("@rows", rollups, "coalesce((SELECT crossing FROM by_logs), @last)") + `) AS crossing
		    FROM by_logs, (SELECT ` + nth("0", rollups, "@last") + ` AS first_row) AS rollup
		)
		SELECT first, crossing, NOT coalesce(first_row <= coalesce(crossing, @last), false) AND first IS NOT NULL AS unsummed,
		       CASE WHEN crossing IS NULL
		            THEN greatest(` + count(logs) + `, ` + count(sealed) + `, ` + count(rollups) + ` / @rows_per_log)
		            ELSE @logs END AS passed
		FROM found`
	rows, err := tx.Query(ctx, query, pgx.NamedArgs{
		"first": r.first, "last": r.last, "users": r.users,
		"logs": maxLogs, "rows": rowsPerLog * maxLogs, "rows_per_log": rowsPerLog,
	})
	if err != nil {
		return cutPoint{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[cutPoint])
}

// cutUser cuts the part at a period of its first user, who alone exceeds the limit.
// The first window has a log or a sealed day, if the user has any.
func (s Scope) cutUser(ctx context.Context, tx pgx.Tx, part Part, options ChunkOptions) (userRange, *Part, error) {
	query := `
		WITH logs_left AS NOT MATERIALIZED (
		    SELECT * FROM ` + rollup.LogsSQL("learning_log") + ` AS logs
		    WHERE user_id = @user AND "timestamp" >= @lower AND "timestamp" < @upper
		), sealed_left AS NOT MATERIALIZED (
		    SELECT day FROM learning_log_sealed_days
		    WHERE user_id = @user AND day >= @first AND day < @end
		)
		SELECT coalesce(@at, least(
		    (SELECT ` + rollup.DateSQL + ` FROM logs_left ORDER BY "timestamp" LIMIT 1),
		    (SELECT day FROM sealed_left ORDER BY day LIMIT 1))),
		    least(
		    (SELECT day FROM sealed_left ORDER BY day OFFSET @logs LIMIT 1),
		    (SELECT ` + rollup.DateSQL + ` FROM logs_left ORDER BY "timestamp" OFFSET @logs LIMIT 1),
		    (SELECT period FROM learning_log_aggregates
		     WHERE user_id = @user AND period >= @first AND period < @end
		     ORDER BY period OFFSET @rows LIMIT 1))`
	left := s.days(window{lower: part.At})
	at, _ := window{lower: part.At}.bounds()
	at.Valid = part.At != nil
	first, end := left.bounds()
	lower, upper := left.instants()
	var begin, crossing pgtype.Date
	err := tx.QueryRow(ctx, query, pgx.NamedArgs{
		"user": part.From, "at": at, "lower": lower, "upper": upper, "first": first, "end": end,
		"logs": options.MaxLogs, "rows": rowsPerLog * options.MaxLogs,
	}).Scan(&begin, &crossing)
	if err != nil {
		return userRange{}, nil, err
	}
	of := userRange{first: part.From, last: part.From, window: window{lower: part.At}}
	if !crossing.Valid {
		return of, part.after(part.From), nil
	}
	cut := options.cutAt.Start(rollup.DateOf(crossing.Time))
	if begin.Valid {
		cut = max(cut, options.cutAt.Next(rollup.DateOf(begin.Time)))
	}
	of.window.upper, of.passed = &cut, int64(options.MaxLogs)
	return of, part.restFrom(part.From, &cut), nil
}

// usersSQL is a condition for the users of the range.
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

// arguments returns the arguments of statements about the range.
func (r userRange) arguments(scope Scope) pgx.NamedArgs {
	arguments := pgx.NamedArgs{"first": r.first, "last": r.last, "users": r.users}
	for _, granularity := range rollup.Granularities() {
		periods, name := scope.periods(granularity).within(r.window), string(granularity)
		arguments[name+"_first"], arguments[name+"_end"] = periods.bounds()
	}
	arguments["logs_lower"], arguments["logs_upper"] = scope.days(r.window).instants()
	return arguments
}
