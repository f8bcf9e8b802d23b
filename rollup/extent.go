package rollup

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Part is a part of a scope that is still to be looked at: the users From
// through Last, in key order. Where Last is before From, the last user is followed
// by the first, as on a clock.
type Part struct {
	From uuid.UUID `json:"from"`
	// At is set where the user From has been looked at in part: only its periods
	// that start at At or later are left.
	At   *time.Time `json:"at,omitempty"`
	Last uuid.UUID  `json:"last"`
	// Sample, in a scope of everything, says of whom the part is; nil is all users.
	Sample *Sample `json:"sample,omitempty"`

	// listed has the next of the users, where the part isn't of all. It saves
	// listing them for every chunk, and whoever resumes does without it.
	listed *listing
}

// Whole is all users.
func Whole() Part { return Part{Last: uuid.Max} }

// extent is what one chunk compares: the periods of its users that start in its
// window.
type extent struct {
	first, last uuid.UUID
	users       []uuid.UUID // of those between first and last only these, unless it is nil
	window      window
	// passed is about how many logs were gone through to find it, at least as many
	// as its users have. A row of the rollup counts as a part of a log.
	passed int64
}

// cut returns the extent that a part begins with, and what is left of the part,
// or nil. The extent has at most so many logs, and at most as many rows of the
// rollup as those can have. Only the logs of a calendar month of one user are
// never cut, since their sum has to be taken under one snapshot.
func (s Scope) cut(ctx context.Context, tx pgx.Tx, part Part, options ChunkOptions) (extent, *Part, error) {
	if part.At != nil {
		return s.cutUser(ctx, tx, part, options)
	}
	users, last, err := s.nextUsers(ctx, tx, &part)
	if err != nil {
		return extent{}, nil, err
	}
	if len(users) > 0 {
		part.From = users[0]
	}
	whole := extent{first: part.From, last: last, users: users}
	found, err := whole.find(ctx, tx, options.MaxLogs)
	whole.passed = found.Passed
	switch {
	case err != nil:
		return extent{}, nil, err
	case found.Crossing == nil:
		return whole, part.after(last), nil
	case *found.Crossing == *found.First:
		part.From = *found.First
		of, rest, err := s.cutUser(ctx, tx, part, options)
		of.passed = found.Passed
		return of, rest, err
	}
	before := extent{first: part.From, last: userBefore(*found.Crossing), passed: found.Passed}
	if users != nil {
		n, _ := slices.BinarySearchFunc(users, *found.Crossing, compareIDs)
		before.users = users[:n]
	}
	return before, part.restFrom(*found.Crossing, nil), nil
}

// rowsPerLog is how many rows of the rollup a log can have.
const rowsPerLog = 3

const (
	// usersPerExtent bounds the users of an extent where they are listed.
	usersPerExtent = 1000
	// usersPerListing bounds those that are listed at once. To find out who was
	// active takes about as long for one user as for all of them.
	usersPerListing = 100_000
)

// listing is the users of a part from first through last, in key order.
type listing struct {
	first, last uuid.UUID
	users       []uuid.UUID
}

// from returns the listed users from one on, or false if it isn't between first
// and last.
func (l *listing) from(user uuid.UUID) (users []uuid.UUID, ok bool) {
	if l == nil || compareIDs(user, l.first) < 0 || compareIDs(user, l.last) > 0 {
		return nil, false
	}
	n, _ := slices.BinarySearchFunc(l.users, user, compareIDs)
	return l.users[n:], true
}

// nextUsers lists the first users of a part, at most usersPerExtent, and says
// through which user those are all. The users are nil where the part has all.
func (s Scope) nextUsers(ctx context.Context, tx pgx.Tx, part *Part) (users []uuid.UUID, last uuid.UUID, err error) {
	if part.Sample.goesOn() || part.Sample == nil && s.RecordedSince == nil && len(s.Users) == 0 {
		return nil, part.end(), nil
	}
	users, ok := part.listed.from(part.From)
	if !ok {
		if part.listed, err = s.list(ctx, tx, *part); err != nil {
			return nil, uuid.Nil, err
		}
		users = part.listed.users
	}
	if len(users) > usersPerExtent {
		return users[:usersPerExtent], users[usersPerExtent-1], nil
	}
	return users, part.listed.last, nil
}

// list lists the users of a part that isn't of all, from its first on.
func (s Scope) list(ctx context.Context, tx pgx.Tx, part Part) (*listing, error) {
	listed := listing{first: part.From, last: part.end()}
	since, users := s.RecordedSince, s.Users
	query := `SELECT DISTINCT user_id FROM learning_log WHERE recorded_at >= @since`
	switch {
	case part.Sample != nil:
		since, users = part.Sample.RecordedSince, part.Sample.Users
		query += ` UNION ALL SELECT unnest(@users::uuid[])`
	case since == nil:
		query = `SELECT unnest(@users::uuid[]) AS user_id`
	case len(users) > 0:
		query += ` AND user_id = ANY(@users)`
	}
	// MATERIALIZED keeps PostgreSQL from going through all logs in the order of
	// their users, in the hope of a listing that is soon full. What it keeps is as
	// many users as there are, and not as many logs.
	query = `
		WITH listed AS MATERIALIZED (` + query + `)
		SELECT DISTINCT user_id FROM listed WHERE user_id BETWEEN @first AND @last
		ORDER BY user_id LIMIT @limit`
	rows, err := tx.Query(ctx, query, pgx.NamedArgs{
		"since": since, "users": users, "first": listed.first, "last": listed.last, "limit": usersPerListing,
	})
	if err != nil {
		return nil, err
	}
	listed.users, err = pgx.AppendRows([]uuid.UUID{}, rows, pgx.RowTo[uuid.UUID])
	if len(listed.users) == usersPerListing {
		listed.last = listed.users[usersPerListing-1]
	}
	return &listed, err
}

// reach is how far one may go in an extent.
type reach struct {
	First    *uuid.UUID // the first user who has anything, or nil
	Crossing *uuid.UUID // the user with whom the extent exceeds the bound, or nil
	Passed   int64      // as an extent has it
}

// find finds the user with whom an extent exceeds the bound. It reads no further.
func (e extent) find(ctx context.Context, tx pgx.Tx, maxLogs int) (reach, error) {
	nth := func(n, table string) string {
		if e.users == nil {
			return `(SELECT user_id FROM ` + table + ` WHERE user_id BETWEEN @first AND @last
			         ORDER BY user_id OFFSET ` + n + ` LIMIT 1)`
		}
		// OFFSET 0 makes PostgreSQL go from user to user, and stop in time.
		return `(SELECT listed.user_id
		         FROM unnest(@users::uuid[]) AS listed (user_id),
		              LATERAL (SELECT FROM ` + table + ` AS t WHERE t.user_id = listed.user_id OFFSET 0) AS one
		         OFFSET ` + n + ` LIMIT 1)`
	}
	count := func(table string) string {
		return `(SELECT count(*) FROM ` + table + ` WHERE ` + e.usersSQL() + `)`
	}
	query := `
		WITH found AS MATERIALIZED (
		    SELECT least(` + nth("0", "learning_log") + `, ` + nth("0", "learning_log_aggregates") + `) AS first,
		           least(` + nth("@logs", "learning_log") + `, ` + nth("@rows", "learning_log_aggregates") + `) AS crossing
		)
		SELECT first, crossing,
		       CASE WHEN crossing IS NULL
		            THEN greatest(` + count("learning_log") + `, ` + count("learning_log_aggregates") + ` / @rows_per_log)
		            ELSE @logs END AS passed
		FROM found`
	rows, err := tx.Query(ctx, query, pgx.NamedArgs{
		"first": e.first, "last": e.last, "users": e.users,
		"logs": maxLogs, "rows": rowsPerLog * maxLogs, "rows_per_log": rowsPerLog,
	})
	if err != nil {
		return reach{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[reach])
}

// cutUser cuts the part at a month of its first user, who alone has too much. The
// first window has a log, if the user has any.
func (s Scope) cutUser(ctx context.Context, tx pgx.Tx, part Part, options ChunkOptions) (extent, *Part, error) {
	const query = `
		SELECT coalesce(@at, (SELECT min("timestamp") FROM learning_log
		                      WHERE user_id = @user AND "timestamp" >= @lower AND "timestamp" < @upper)),
		    least(
		    (SELECT "timestamp" FROM learning_log
		     WHERE user_id = @user AND "timestamp" >= @lower AND "timestamp" < @upper
		     ORDER BY "timestamp" OFFSET @logs LIMIT 1),
		    (SELECT period FROM learning_log_aggregates
		     WHERE user_id = @user AND period >= @lower AND period < @upper
		     ORDER BY period OFFSET @rows LIMIT 1))`
	left := s.logs(window{lower: part.At}, options.Zone)
	if part.At != nil {
		left.lower = part.At
	}
	lower, upper := left.bounds()
	var first, crossing *time.Time
	err := tx.QueryRow(ctx, query, pgx.NamedArgs{
		"user": part.From, "at": part.At, "lower": lower, "upper": upper,
		"logs": options.MaxLogs, "rows": rowsPerLog * options.MaxLogs,
	}).Scan(&first, &crossing)
	if err != nil {
		return extent{}, nil, err
	}
	of := extent{first: part.From, last: part.From, window: window{lower: part.At}}
	if crossing == nil {
		return of, part.after(part.From), nil
	}
	end := Month.StartOf(*crossing, options.Zone)
	if first != nil && !end.After(*first) {
		end = Month.Next(Month.StartOf(*first, options.Zone), options.Zone)
	}
	of.window.upper, of.passed = &end, int64(options.MaxLogs)
	return of, part.restFrom(part.From, &end), nil
}

// logs returns the window of all logs that belong to periods of the scope that
// start in w.
func (s Scope) logs(w window, zone *time.Location) window {
	var logs window
	for i, granularity := range Granularities() {
		of := s.periods(granularity, zone).within(w).logs(granularity, zone)
		if i == 0 {
			logs = of
		} else {
			logs = logs.around(of)
		}
	}
	return logs
}

// end returns the last user before the part, as on a clock, comes to the first.
func (p Part) end() uuid.UUID {
	if compareIDs(p.Last, p.From) < 0 {
		return uuid.Max
	}
	return p.Last
}

// restFrom returns what is left of the part from a user on, or from an instant of its.
func (p Part) restFrom(user uuid.UUID, instant *time.Time) *Part {
	p.From, p.At = user, instant
	return &p
}

// after returns what is left of the part after a user, or nil.
func (p Part) after(user uuid.UUID) *Part {
	if user == p.Last {
		return nil
	}
	return p.restFrom(userAfter(user), nil)
}

// userAfter returns the user id that follows id in key order: the nil UUID, as
// on a clock, after the last there is.
func userAfter(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]++
		if id[i] != 0 {
			break
		}
	}
	return id
}

// userBefore is the reverse of userAfter.
func userBefore(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		id[i]--
		if id[i] != 0xff {
			break
		}
	}
	return id
}

// Split returns parts that have all users between them and about as many logs
// each, at most n.
func Split(ctx context.Context, tx pgx.Tx, n int) ([]Part, error) {
	if n == 1 {
		return []Part{Whole()}, nil
	}
	// A sample of a thousand pages tells well enough how logs spread over users.
	const query = `
		SELECT percentile_disc(@fractions::float8[]) WITHIN GROUP (ORDER BY user_id)
		FROM learning_log TABLESAMPLE SYSTEM (
		    (SELECT 100 * least(1, 1000 / greatest(1, pg_relation_size('learning_log') / current_setting('block_size')::float8))))`
	fractions := make([]float64, n-1)
	for i := range fractions {
		fractions[i] = float64(i+1) / float64(n)
	}
	var bounds []uuid.UUID
	if err := tx.QueryRow(ctx, query, pgx.NamedArgs{"fractions": fractions}).Scan(&bounds); err != nil {
		return nil, fmt.Errorf("dividing the users: %w", err)
	}
	parts := []Part{Whole()}
	for _, bound := range slices.Compact(bounds) {
		if bound == uuid.Nil {
			continue
		}
		last := &parts[len(parts)-1]
		last.Last = userBefore(bound)
		parts = append(parts, Part{From: bound, Last: uuid.Max})
	}
	return parts, nil
}
