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
// through Last, in key order.
type Part struct {
	From uuid.UUID `json:"from"`
	// At is set where the user From has been looked at in part: only its periods
	// that start at At or later are left.
	At   *time.Time `json:"at,omitempty"`
	Last uuid.UUID  `json:"last"`
}

// Whole is all users.
func Whole() Part { return Part{Last: uuid.Max} }

// extent is what one chunk compares: the periods of its users that start in its
// window.
type extent struct {
	first, last uuid.UUID
	users       []uuid.UUID // of those between first and last only these, unless it is nil
	window      window
}

// cut returns the extent that a part begins with, and what is left of the part,
// or nil. The extent has at most so many logs, and at most as many rows of the
// rollup as those can have. Only the logs of a calendar month of one user are never cut, since their
// sum has to be taken under one snapshot.
func (s Scope) cut(ctx context.Context, tx pgx.Tx, part Part, options ChunkOptions) (extent, *Part, error) {
	if part.At != nil {
		return s.cutUser(ctx, tx, part, options)
	}
	users, err := s.nextUsers(ctx, tx, part)
	if err != nil {
		return extent{}, nil, err
	}
	if len(users) > 0 {
		part.From = users[0]
	}
	whole, rest := extent{first: part.From, last: part.Last, users: users}, (*Part)(nil)
	if len(users) == usersPerExtent {
		whole.last = users[len(users)-1]
		rest = part.after(whole.last)
	}
	crossing, err := whole.find(ctx, tx, options.MaxLogs)
	switch {
	case err != nil:
		return extent{}, nil, err
	case crossing == nil:
		return whole, rest, nil
	case *crossing == part.From:
		return s.cutUser(ctx, tx, part, options)
	}
	before := extent{first: part.From, last: userBefore(*crossing)}
	if users != nil {
		n, _ := slices.BinarySearchFunc(users, *crossing, compareIDs)
		before.users = users[:n]
	}
	return before, &Part{From: *crossing, Last: part.Last}, nil
}

// rowsPerLog is how many rows of the rollup a log can have.
const rowsPerLog = 3

// usersPerExtent bounds the users of an extent where they are listed.
const usersPerExtent = 1000

// nextUsers lists the first users of a part, at most usersPerExtent, or returns
// nil where the scope has all users.
func (s Scope) nextUsers(ctx context.Context, tx pgx.Tx, part Part) ([]uuid.UUID, error) {
	if s.RecordedSince == nil {
		if len(s.Users) == 0 {
			return nil, nil
		}
		first, _ := slices.BinarySearchFunc(s.Users, part.From, compareIDs)
		end, _ := slices.BinarySearchFunc(s.Users, userAfter(part.Last), compareIDs)
		if part.Last == uuid.Max {
			end = len(s.Users)
		}
		return s.Users[first:min(end, first+usersPerExtent)], nil
	}
	query := `
		SELECT DISTINCT user_id FROM learning_log
		WHERE recorded_at >= @since AND user_id BETWEEN @first AND @last`
	if len(s.Users) > 0 {
		query += ` AND user_id = ANY(@users)`
	}
	rows, err := tx.Query(ctx, query+` ORDER BY user_id LIMIT @limit`, pgx.NamedArgs{
		"since": *s.RecordedSince, "first": part.From, "last": part.Last, "users": s.Users, "limit": usersPerExtent,
	})
	if err != nil {
		return nil, err
	}
	users, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if users == nil {
		users = []uuid.UUID{}
	}
	return users, err
}

// find returns the user with whom an extent exceeds the bound, or nil. It reads no
// further.
func (e extent) find(ctx context.Context, tx pgx.Tx, maxLogs int) (*uuid.UUID, error) {
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
	query := `SELECT least(` + nth("@logs", "learning_log") + `, ` + nth("@rows", "learning_log_aggregates") + `)`
	var user *uuid.UUID
	err := tx.QueryRow(ctx, query, pgx.NamedArgs{
		"first": e.first, "last": e.last, "users": e.users, "logs": maxLogs, "rows": rowsPerLog * maxLogs,
	}).Scan(&user)
	return user, err
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
	of.window.upper = &end
	return of, &Part{From: part.From, At: &end, Last: part.Last}, nil
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

// after returns what is left of the part after a user, or nil.
func (p Part) after(user uuid.UUID) *Part {
	if compareIDs(user, p.Last) >= 0 {
		return nil
	}
	return &Part{From: userAfter(user), Last: p.Last}
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
