package audit

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"learninglog/internal/retry"
)

// Record is something that was done.
type Record struct {
	ID int64
	// At is in UTC.
	At time.Time
	// Actor is who did it: "key 3 (backend)", "somebody at 192.0.2.1" where nobody is
	// asked, or "command line (root)".
	Actor  string
	Action Action
	// Subject is what it was done to.
	Subject string
}

// Cursor is the position of a record in the list. The next page begins after that record.
type Cursor int64

// ErrBadCursor means that a text is not a cursor that a page has returned.
var ErrBadCursor = errors.New("not a cursor of the audit record")

// String returns the cursor as text, which is opaque to clients.
func (c Cursor) String() string { return strconv.FormatInt(int64(c), 10) }

// ParseCursor is the inverse of [Cursor.String]. It fails with [ErrBadCursor].
func ParseCursor(text string) (Cursor, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	if cursor := Cursor(number); err == nil && number > 0 && cursor.String() == text {
		return cursor, nil
	}
	return 0, ErrBadCursor
}

// Page is a page of records, newest first.
type Page struct {
	Records []Record
	// Next is the cursor of the next page, or nil if this is the last page.
	Next *Cursor
}

// MaxPage is the largest number of records in a page.
const MaxPage = 1000

// List returns a page of records, newest first. after is the cursor of the page before, or
// nil for the first page. limit is from 1 to [MaxPage]; values outside this range are
// replaced by the nearer end of it.
func (t *Trail) List(ctx context.Context, after *Cursor, limit int) (Page, error) {
	const query = `
		SELECT record_id,
		       at,
		       actor,
		       action,
		       subject
		FROM learninglog_audit
		WHERE $1::bigint IS NULL OR record_id < $1
		ORDER BY record_id DESC
		LIMIT $2`
	limit = min(max(limit, 1), MaxPage)
	// Reading one more than requested shows whether there is a next page.
	records, err := retry.Read(ctx, t.database, collect, query, after, limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("reading what was done: %w", err)
	}
	page := Page{Records: records}
	if len(records) > limit {
		page.Records = records[:limit]
		page.Next = new(Cursor(page.Records[limit-1].ID))
	}
	return page, nil
}

func collect(rows pgx.Rows) ([]Record, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Record, err error) {
		err = row.Scan(&r.ID, &r.At, &r.Actor, &r.Action, &r.Subject)
		r.At = r.At.UTC()
		return r, err
	})
}
