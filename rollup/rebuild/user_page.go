package rebuild

import (
	"context"
	"slices"
	"time"

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
	page := userPage{first: part.From, last: part.end(), users: []uuid.UUID{}} // nil would be all users
	since, listed, among := s.RecordedSince, s.Users, s.Users
	if part.Sample != nil {
		since, listed, among = part.Sample.RecordedSince, part.Sample.Users, nil
	}
	if since == nil || part.Sample != nil {
		for _, user := range listed {
			if compareIDs(user, page.first) >= 0 && compareIDs(user, page.last) <= 0 {
				page.users = append(page.users, user)
			}
		}
	}
	if since != nil {
		changed, err := readChanged(ctx, tx, *since, page, among)
		if err != nil {
			return nil, err
		}
		page.users = append(page.users, changed...)
	}
	slices.SortFunc(page.users, compareIDs)
	page.users = slices.Compact(page.users)
	if len(page.users) >= usersPerPage {
		page.users, page.last = page.users[:usersPerPage], page.users[usersPerPage-1]
	}
	return &page, nil
}

// readChanged lists the first users of a page for whom a log was recorded, voided or
// re-zoned since an instant. If among isn't empty, it lists only those.
//
// It is grouped twice. PostgreSQL makes the inner list, which has a row per user and not per
// log, before it thinks of the order and the limit. So it doesn't read all logs in the order
// of their users, in the hope that the page is full soon. Citus passes on to each node what
// is grouped by user; it would bring a common table expression to the coordinator.
func readChanged(ctx context.Context, tx pgx.Tx, since time.Time, page userPage, among []uuid.UUID) ([]uuid.UUID, error) {
	query := `
		SELECT user_id
		FROM (
		    SELECT user_id FROM learning_log WHERE recorded_at >= @since
		    UNION
		    SELECT user_id FROM learning_log WHERE changed_at >= @since
		) AS changed
		WHERE user_id BETWEEN @first AND @last`
	if len(among) > 0 {
		query += ` AND user_id = ANY(@among)`
	}
	query += `
		GROUP BY user_id ORDER BY user_id LIMIT @limit`
	rows, err := tx.Query(ctx, query, pgx.NamedArgs{
		"since": since, "first": page.first, "last": page.last, "among": among, "limit": usersPerPage,
	})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}
