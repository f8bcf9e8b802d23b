package rebuild

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	// usersPerRange limits the users of a chunk that lists its users.
	usersPerRange = 1000
	// usersPerPage limits the users that are read at once. Finding out who was
	// active takes about as long for one user as for all of them.
	usersPerPage = 100_000
)

// userPage is a page of the list of a part's users: all listed users from first
// through last, in key order.
type userPage struct {
	first, last uuid.UUID
	users       []uuid.UUID
}

// from returns the users of the page beginning with user, or false if user isn't
// between first and last.
func (p *userPage) from(user uuid.UUID) (users []uuid.UUID, ok bool) {
	if p == nil || compareIDs(user, p.first) < 0 || compareIDs(user, p.last) > 0 {
		return nil, false
	}
	n, _ := slices.BinarySearchFunc(p.users, user, compareIDs)
	return p.users[n:], true
}

// nextUsers lists the first users of a part, at most usersPerRange. The list is
// complete up to last. It is nil if the part has all users.
func (s Scope) nextUsers(ctx context.Context, tx pgx.Tx, part *Part) (users []uuid.UUID, last uuid.UUID, err error) {
	if part.Sample.goesOn() || part.Sample == nil && s.RecordedSince == nil && len(s.Users) == 0 {
		return nil, part.end(), nil
	}
	users, ok := part.page.from(part.From)
	if !ok {
		if part.page, err = s.readUserPage(ctx, tx, *part); err != nil {
			return nil, uuid.Nil, err
		}
		users = part.page.users
	}
	if len(users) > usersPerRange {
		return users[:usersPerRange], users[usersPerRange-1], nil
	}
	return users, part.page.last, nil
}

// readUserPage lists the users of a part that has only some users, beginning with
// its first.
func (s Scope) readUserPage(ctx context.Context, tx pgx.Tx, part Part) (*userPage, error) {
	page := userPage{first: part.From, last: part.end()}
	since, users := s.RecordedSince, s.Users
	query := `
		SELECT user_id FROM learning_log WHERE recorded_at >= @since
		UNION
		SELECT user_id FROM learning_log WHERE changed_at >= @since`
	switch {
	case part.Sample != nil:
		since, users = part.Sample.RecordedSince, part.Sample.Users
		query += ` UNION SELECT unnest(@users::uuid[])`
	case since == nil:
		query = `SELECT unnest(@users::uuid[]) AS user_id`
	case len(users) > 0:
		query = `SELECT user_id FROM (` + query + `) AS changed WHERE user_id = ANY(@users)`
	}
	// Without MATERIALIZED, PostgreSQL would read all logs in the order of their
	// users, and hope to fill the page soon. The materialized list has one row per
	// user, not per log.
	query = `
		WITH listed AS MATERIALIZED (` + query + `)
		SELECT DISTINCT user_id FROM listed WHERE user_id BETWEEN @first AND @last
		ORDER BY user_id LIMIT @limit`
	rows, err := tx.Query(ctx, query, pgx.NamedArgs{
		"since": since, "users": users, "first": page.first, "last": page.last, "limit": usersPerPage,
	})
	if err != nil {
		return nil, err
	}
	page.users, err = pgx.AppendRows([]uuid.UUID{}, rows, pgx.RowTo[uuid.UUID])
	if len(page.users) == usersPerPage {
		page.last = page.users[usersPerPage-1]
	}
	return &page, err
}
